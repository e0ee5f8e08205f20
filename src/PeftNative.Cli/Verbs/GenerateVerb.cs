using System.Diagnostics;
using System.Text;
using System.Text.Json.Nodes;
using PeftNative.Cli.Options;
using PeftNative.Cli.Output;
using PeftNative.Cli.Runs;
using PeftNative.Inference;
using PeftNative.Tokenizers.Chat;

namespace PeftNative.Cli.Verbs;

/// <summary>Continues a text.</summary>
internal sealed class GenerateVerb : Verb
{
    private static readonly Setting Prompt = new("prompt", SettingKind.Text,
        "The text to continue.") { Group = "What" };

    private static readonly Setting PromptFile = new("prompt_file", SettingKind.Text,
        "File with the text; without either, standard input is read.")
    {
        ValueName = "FILE", Group = "What",
    };

    public override string Name => "generate";

    public override string Summary => "continues a text, with any number of adapters";

    public override string Example =>
        "peftnative generate --model my-model --adapter my-adapter --prompt 'Once upon a time' --max_tokens 60";

    public override IReadOnlyList<Setting> Settings =>
        [Shared.Model, ModelSession.Adapters, Prompt, PromptFile, .. QuantizationSettings.All, .. SamplingSettings.All,
            .. Shared.Machine];

    public override int Run(SettingValues values, Terminal terminal)
    {
        var prompt = ReadPrompt(values, terminal);
        using var session = ModelSession.Open(values, terminal);
        var ids = session.Tokenizer.Encode(prompt).Ids;
        using var generator = new TextGenerator(session.Model, session.Tokenizer, [.. session.Active]);
        var text = new StringBuilder();
        var clock = Stopwatch.StartNew();
        var options = SamplingSettings.ToOptions(values).StoppingAt(EndOfTurn(session, terminal));
        foreach (var piece in generator.Stream(ids, options, terminal.Cancellation))
        {
            text.Append(piece);
            if (terminal.Json) continue;
            terminal.Out.Write(piece);
            terminal.Out.Flush();
        }
        terminal.Line();
        var (seconds, count) = (clock.Elapsed.TotalSeconds, generator.TokenCount);
        terminal.Object(new JsonObject
        {
            ["prompt"] = prompt, ["text"] = text.ToString(), ["prompt_tokens"] = ids.Length, ["tokens"] = count,
            ["seconds"] = Math.Round(seconds, 3),
        });
        if (terminal.IsLive)
            terminal.Note(
                $"{Quantity.Of(count, "token")} in {Quantity.Time(seconds)}, {Quantity.Number(count / seconds)} "
                    + "tokens/s");
        return 0;
    }

    // A model tuned on conversations ends with this token also where it just goes on with a text.
    private static int? EndOfTurn(ModelSession session, Terminal terminal)
    {
        try
        {
            return ChatTemplate.Load(session.TokenizerFolder) is { } template
                ? TurnEnd.Of(template, session.Tokenizer).Token : null;
        }
        catch (ModelFormatException e)
        {
            terminal.Warn($"the chat template is broken, so its end of turn does not end the text: {e.What}");
            return null;
        }
    }

    private static string ReadPrompt(SettingValues values, Terminal terminal)
    {
        if (values.Has(Prompt) && values.Has(PromptFile))
            throw new UsageException("--prompt and --prompt_file exclude each other.", null, "Give one of them.");
        var text = values.OptionalText(Prompt)
            ?? (values.OptionalText(PromptFile) is { } file ? ReadFile(file) : terminal.IsKeyboard
                ? "" : terminal.In.ReadToEnd());
        return text.Length > 0 ? text : throw new UsageException("There is no prompt.", null,
            "Give --prompt TEXT or --prompt_file FILE, or pipe a text in.");
    }

    private static string ReadFile(string path) => File.Exists(path) ? File.ReadAllText(path)
        : throw new DataException("There is no such prompt file.", path, "Check the path.");
}
