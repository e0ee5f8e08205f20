using System.Diagnostics;
using System.Text;
using System.Text.Json.Nodes;
using PeftNative.Cli.Options;
using PeftNative.Cli.Output;
using PeftNative.Cli.Runs;
using PeftNative.Inference;

namespace PeftNative.Cli.Verbs;

/// <summary>Continues a text.</summary>
internal sealed class GenerateVerb : Verb
{
    private static readonly Setting Prompt = new("prompt", SettingKind.Text, "The text to continue.") { Group = "What" };

    private static readonly Setting PromptFile = new("prompt_file", SettingKind.Text, "File with the text; without either, standard input is read.")
    {
        ValueName = "FILE", Group = "What",
    };

    /// <summary>How text is continued, for every verb that does.</summary>
    public static readonly Setting MaxTokens = new("max_tokens", SettingKind.Whole, "Most tokens to add.")
    {
        Default = "128", Least = 1, Most = 1 << 20, Aliases = ["max_new_tokens"],
    };

    private static readonly Setting Temperature = new("temperature", SettingKind.Number, "0 takes the best token; larger is more varied.")
    {
        Default = "0", Least = 0, Aliases = ["temp"],
    };

    private static readonly Setting TopK = new("top_k", SettingKind.Whole, "Sample from the k best tokens; 0 for all.") { Default = "0", Least = 0, Most = int.MaxValue };

    private static readonly Setting TopP = new("top_p", SettingKind.Number, "Sample from the best tokens that make up this probability.")
    {
        Default = "1", Least = 0, Most = 1,
    };

    /// <summary>The settings of sampling.</summary>
    public static readonly Setting[] Sampling = [MaxTokens, Temperature, TopK, TopP, Shared.Seed];

    public override string Name => "generate";

    public override string Summary => "continues a text, with any number of adapters";

    public override string Example => "peftnative generate --model my-model --adapter my-adapter --prompt 'Once upon a time' --max_tokens 60";

    public override IReadOnlyList<Setting> Settings => [Shared.Model, ModelSession.Adapters, Prompt, PromptFile, .. Sampling, .. Shared.Machine];

    public override int Run(SettingValues values, Terminal terminal)
    {
        var prompt = ReadPrompt(values, terminal);
        using var session = ModelSession.Open(values, terminal);
        var ids = session.Tokenizer.Encode(prompt).Ids;
        using var generator = new Generator(session.Model, [.. session.Active]);
        var stream = session.Tokenizer.CreateStream();
        var text = new StringBuilder();
        var (clock, count) = (Stopwatch.StartNew(), 0);
        foreach (var token in generator.Stream(ids, ToOptions(values), terminal.Cancellation))
        {
            count++;
            Write(stream.Push(token));
        }
        Write(stream.Close());
        terminal.Line();
        var seconds = clock.Elapsed.TotalSeconds;
        terminal.Object(new JsonObject
        {
            ["prompt"] = prompt, ["text"] = text.ToString(), ["prompt_tokens"] = ids.Length, ["tokens"] = count, ["seconds"] = Math.Round(seconds, 3),
        });
        if (terminal.IsLive) terminal.Note($"{Quantity.Of(count, "token")} in {Quantity.Time(seconds)}, {Quantity.Number(count / seconds)} tokens/s");
        return 0;

        void Write(string piece)
        {
            text.Append(piece);
            if (terminal.Json || piece.Length == 0) return;
            terminal.Out.Write(piece);
            terminal.Out.Flush();
        }
    }

    /// <summary>The options of sampling.</summary>
    public static GenerationOptions ToOptions(SettingValues values) => new()
    {
        MaxTokens = values.Int(MaxTokens), Temperature = values.Number(Temperature), TopK = values.Int(TopK), TopP = values.Number(TopP),
        Seed = (ulong)values.Whole(Shared.Seed),
    };

    private static string ReadPrompt(SettingValues values, Terminal terminal)
    {
        if (values.Has(Prompt) && values.Has(PromptFile))
            throw new UsageException("--prompt and --prompt_file exclude each other.", null, "Give one of them.");
        var text = values.OptionalText(Prompt)
            ?? (values.OptionalText(PromptFile) is { } file ? ReadFile(file) : terminal.In.ReadToEnd());
        return text.Length > 0 ? text : throw new UsageException("There is no prompt.", null, "Give --prompt TEXT or --prompt_file FILE, or pipe a text in.");
    }

    private static string ReadFile(string path) => File.Exists(path) ? File.ReadAllText(path)
        : throw new DataException("There is no such prompt file.", path, "Check the path.");
}
