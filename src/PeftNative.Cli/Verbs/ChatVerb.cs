using System.Text;
using System.Text.Json.Nodes;
using PeftNative.Cli.Options;
using PeftNative.Cli.Output;
using PeftNative.Cli.Runs;
using PeftNative.Inference;
using PeftNative.Peft.Adapters;
using PeftNative.Tokenizers.Chat;

namespace PeftNative.Cli.Verbs;

/// <summary>A conversation with a model, with adapters that can be exchanged between two questions.</summary>
internal sealed class ChatVerb : Verb
{
    private const string Help =
        "/adapter NAME takes another adapter, /adapter none the bare model; /reset forgets what was said; /exit ends";

    private static readonly Setting System = new("system", SettingKind.Text,
        "What the model is told before the conversation.")
    {
        Aliases = ["system_prompt"], Group = "What",
    };

    private static readonly Setting TemplateArguments = DataSettings.TemplateArguments with
    {
        Help = "Variables of the chat template, such as enable_thinking=false.", Group = "What",
    };

    public override string Name => "chat";

    public override string Summary => "a conversation in the terminal; adapters change without loading again";

    public override string Example =>
        "peftnative chat --model my-chat-model --adapter polite --adapter terse --temperature 0.7";

    public override string Notes =>
        $"Each line is a question.\n{Help}.\nAdapters go by the names of their folders, or by NAME with --adapter "
        + "NAME=DIR; the first one is taken at the start.";

    public override IReadOnlyList<Setting> Settings =>
        [Shared.Model, ModelSession.ChosenAdapters, System, TemplateArguments, .. QuantizationSettings.All,
            .. SamplingSettings.All, .. Shared.Machine];

    public override int Run(SettingValues values, Terminal terminal)
    {
        var folder = AdapterVocabulary.TokenizerFolder(values.Text(Shared.Model),
            ModelSession.NamedSources(values).Select(s => s.Source.Folder));
        var template = ChatTemplate.Load(folder)
            ?? throw new ModelFormatException("The model has no chat template.", folder,
                "Use generate, which continues plain texts.");
        using var session = ModelSession.Open(values, terminal, byName: true);
        var names = ModelSession.NamedSources(values)
            .Zip(session.Loaded, (s, adapter) => (Name: s.Name ?? NameOf(s.Source.Folder), adapter)).ToList();
        using var conversation = new Conversation(
            session, template, TurnEnd.Of(template, session.Tokenizer).AddTo(SamplingSettings.ToOptions(values)),
            values.OptionalText(System), DataPlan.Arguments(values));
        conversation.Take(names.Count == 0 ? null : names[0].adapter);
        terminal.Note(names.Count == 0 ? Help : $"adapters: {string.Join(", ", names.Select(n => n.Name))}; {Help}");
        while (Ask(terminal) is { } line)
        {
            if (line is "/exit" or "/quit") break;
            if (line == "/reset") conversation.Reset();
            else if (line.StartsWith("/adapter", StringComparison.Ordinal)) Switch(line["/adapter".Length..].Trim());
            else if (line.StartsWith('/')) terminal.Note(Help);
            else if (line.Length > 0) conversation.Answer(line, terminal);
        }
        return 0;

        void Switch(string name)
        {
            if (name == "none") conversation.Take(null);
            else if (names.FirstOrDefault(n => n.Name == name).adapter is { } adapter) conversation.Take(adapter);
            else terminal.Warn($"there is no adapter '{name}'; there are "
                + string.Join(", ", names.Select(n => n.Name).Append("none")));
        }
    }

    private static string? Ask(Terminal terminal)
    {
        terminal.Cancellation.ThrowIfCancellationRequested();
        if (terminal.IsLive) terminal.Error.Write("> ");
        return terminal.ReadLine()?.Trim();
    }

    private static string NameOf(string folder) =>
        Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)));

    private sealed class Conversation(ModelSession session, ChatTemplate template, GenerationOptions options,
        string? system, JsonObject? arguments) : IDisposable
    {
        private readonly List<(string Role, string Text)> turns = [];
        private TextGenerator? generator;

        public void Take(Adapter? adapter)
        {
            generator?.Dispose();
            generator = adapter is null
                ? new TextGenerator(session.Model, session.Tokenizer)
                : new TextGenerator(session.Model, session.Tokenizer, adapter);
        }

        public void Reset() => turns.Clear();

        public void Answer(string question, Terminal terminal)
        {
            turns.Add(("user", question));
            var chat = template.Render(Messages(), addGenerationPrompt: true, arguments);
            var prompt = session.Tokenizer.Encode(chat.Text, addSpecialTokens: false).Ids;
            var text = new StringBuilder();
            foreach (var piece in generator!.Stream(prompt, options, terminal.Cancellation))
            {
                text.Append(piece);
                if (terminal.Json) continue;
                terminal.Out.Write(piece);
                terminal.Out.Flush();
            }
            terminal.Line();
            terminal.Object(new JsonObject { ["question"] = question, ["answer"] = text.ToString(),
                ["prompt_tokens"] = prompt.Length, ["tokens"] = generator.TokenCount });
            turns.Add(("assistant", text.ToString()));
        }

        public void Dispose() => generator?.Dispose();

        private JsonArray Messages()
        {
            var all = system is null ? turns : [("system", system), .. turns];
            return [.. all.Select(t => (JsonNode)new JsonObject { ["role"] = t.Role, ["content"] = t.Text })];
        }
    }
}
