using System.Text.Json.Nodes;
using PeftNative.Cli.Output;
using PeftNative.Lab.Verification;

namespace PeftNative.Cli.Verify;

/// <summary>What became of one case.</summary>
/// <param name="Name">Name of the case.</param>
/// <param name="Passed">Whether it holds; null when it was not run.</param>
/// <param name="Json">The object of <c>--json</c>.</param>
/// <param name="Text">What follows the name in the line for people.</param>
internal sealed record VerifyLine(string Name, bool? Passed, JsonObject Json, string Text)
{
    /// <summary>A replayed case of a model.</summary>
    public static VerifyLine Of(CaseResult result)
    {
        var json = new JsonObject
        {
            ["case"] = result.Case, ["passed"] = result.Passed, ["logits"] = JsonLines.Number(result.Logits),
            ["loss"] = JsonLines.Number(result.Loss), ["grad"] = JsonLines.Number(result.Gradient),
            ["steps"] = JsonLines.Number(result.Steps), ["merged"] = JsonLines.Number(result.Merged),
            ["generated"] = result.Generated, ["seconds"] = Math.Round(result.Seconds, 3),
        };
        if (result.Expect is not null) (json["expect"], json["got"]) = (result.Expect, result.Got);
        if (result.Failure is not null) json["failure"] = result.Failure;
        var text =
            $"logits {Error(result.Logits)}  loss {Error(result.Loss)}  grad {Error(result.Gradient)}  steps "
            + $"{Error(result.Steps)}  "
            + $"merged {Error(result.Merged)}  generated "
            + $"{result.Generated switch { true => "same ", false => "OTHER", _ => "-    " }}  "
            + $"{result.Seconds:0.00} s"
            + (result.Expect is null ? "" : $"  {result.Got ?? "-"} (reference: {result.Expect})");
        return new VerifyLine(result.Case, result.Passed, json,
            result.Failure is null ? text : $"{text}\n      {result.Failure}");
    }

    /// <summary>Replayed numbers or texts that need no model.</summary>
    public static VerifyLine Of(VerificationResult result)
    {
        var json = new JsonObject
        {
            ["case"] = result.Name, ["passed"] = result.Passed, ["checked"] = result.Checked,
            ["failed"] = result.Failed,
            ["first_failure"] = result.FirstFailure,
        };
        var text = $"{Quantity.Count(result.Checked)} checked, {Quantity.Count(result.Failed)} differ";
        return new VerifyLine(result.Name, result.Passed, json,
            result.FirstFailure is null ? text : $"{text}\n      {result.FirstFailure}");
    }

    /// <summary>A case that cannot be run yet.</summary>
    public static VerifyLine NotRun(string name, string reason) => new(name, null,
        new JsonObject { ["case"] = name, ["passed"] = false, ["run"] = false, ["reason"] = reason }, reason);

    /// <summary>A case that could not be opened.</summary>
    public static VerifyLine Broken(string name, PeftNativeException error) => new(name, false,
        new JsonObject { ["case"] = name, ["passed"] = false, ["failure"] = error.Message }, error.Message);

    private static string Error(double? error) => error is { } e ? Quantity.Number(e).PadRight(7) : "-      ";
}
