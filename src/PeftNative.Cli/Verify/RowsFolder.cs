using System.Text.Json.Nodes;

namespace PeftNative.Cli.Verify;

/// <summary>Recorded rows with what TRL's trainers make of them: <c>sft.json</c> of a folder.</summary>
internal static class RowsFolder
{
    private const string FileName = "sft.json";

    /// <summary>The cases of a folder; none where it holds none.</summary>
    public static IEnumerable<VerifyCase> Find(string folder)
    {
        if (!File.Exists(Path.Combine(folder, FileName))
            || ChatTemplateVerifier.Read(folder, FileName) is not JsonArray cases) return [];
        return cases.OfType<JsonObject>().Where(c => c["trainer"] is not null && c["rows"] is not null)
            .Select(c => Case(folder, c));
    }

    private static VerifyCase Case(string folder, JsonObject recorded)
    {
        var name = $"rows:{recorded["name"]}";
        return new VerifyCase(name, () =>
        {
            try
            {
                if (RowsVerifier.WhyNot(recorded) is { } reason) return VerifyLine.NotRun(name, reason);
                return VerifyLine.Of(RowsVerifier.Verify(folder, recorded) with { Name = name });
            }
            catch (PeftNativeException e)
            {
                return VerifyLine.Broken(name, e);
            }
        });
    }
}
