using System.Text.Json.Nodes;
using PeftNative.Data;
using PeftNative.Jinja;

namespace PeftNative.Tokenizers.Chat;

/// <summary>
/// A model's chat template: Jinja, rendered as transformers' <c>apply_chat_template</c> renders it, text for text.
/// Immutable; several threads may render at once. A template is untrusted: it sees only what is passed here and cannot
/// exceed its <see cref="ChatTemplateLimits"/>.
/// </summary>
public sealed class ChatTemplate : IChatTemplate
{
    private readonly IReadOnlyDictionary<string, Lazy<JinjaTemplate>> _templates;
    private readonly IReadOnlyDictionary<string, JsonNode?> _variables;
    private readonly string _where;

    private ChatTemplate(IReadOnlyDictionary<string, Lazy<JinjaTemplate>> templates,
        IReadOnlyDictionary<string, JsonNode?> variables, string where) =>
        (_templates, _variables, _where) = (templates, variables, where);

    /// <summary>What a rendering may use.</summary>
    public ChatTemplateLimits Limits { get; private init; } = ChatTemplateLimits.Default;

    /// <summary>Where <c>strftime_now</c> reads the local time.</summary>
    public TimeProvider Clock { get; private init; } = TimeProvider.System;

    /// <summary>
    /// The variables a template sees besides the arguments of a rendering: <c>bos_token</c> and the like.
    /// </summary>
    public IReadOnlyDictionary<string, JsonNode?> Variables => _variables;

    /// <summary>Parses a template.</summary>
    /// <param name="template">The Jinja text.</param>
    /// <param name="variables">The variables it sees besides the arguments of a rendering.</param>
    /// <param name="limits">
    /// What parsing and rendering may use; <see cref="ChatTemplateLimits.Default"/> where null.
    /// </param>
    /// <exception cref="ModelFormatException">
    /// The text is not a template, or too long or nested too deep for the limits.
    /// </exception>
    public static ChatTemplate Parse(
        string template, IReadOnlyDictionary<string, JsonNode?> variables, ChatTemplateLimits? limits = null) =>
        Parse(new Dictionary<string, string> { [ChatTemplateFiles.Default] = template }, variables, "chat template",
            limits);

    /// <summary>
    /// Reads the templates of a model folder: <c>chat_template.jinja</c> and <c>additional_chat_templates</c>,
    /// <c>chat_template.json</c>, or the <c>chat_template</c> of <c>tokenizer_config.json</c>. Of several the one named
    /// "tool_use" renders conversations with tools and the one named "default" all others;
    /// <c>chat_template</c> among the arguments of a rendering names another.
    /// </summary>
    /// <param name="folder">A folder in the layout of the Hugging Face hub.</param>
    /// <returns>
    /// The template with the special tokens of the folder as variables, or null where the folder has none.
    /// </returns>
    /// <exception cref="ModelFormatException">A file is broken, or the template is.</exception>
    /// <exception cref="StorageException">A file cannot be read.</exception>
    public static ChatTemplate? Load(string folder)
    {
        var files = ChatTemplateFiles.Read(folder);
        return files is null ? null : Parse(files.Templates, files.Variables, files.Path, null);
    }

    /// <summary>The same template with another clock: a fixed one makes renderings repeatable.</summary>
    public ChatTemplate WithClock(TimeProvider clock) =>
        new(_templates, _variables, _where) { Limits = Limits, Clock = clock };

    /// <summary>The same template with other limits for its renderings.</summary>
    public ChatTemplate WithLimits(ChatTemplateLimits limits) =>
        new(_templates, _variables, _where) { Limits = limits, Clock = Clock };

    /// <summary>
    /// Renders messages with further variables, such as <c>tools</c>, <c>documents</c> or <c>date_string</c>.
    /// </summary>
    /// <param name="messages">The messages; keys with a null value are not shown to the template.</param>
    /// <param name="addGenerationPrompt">Whether to end with the opening of an assistant's turn.</param>
    /// <param name="arguments">
    /// Variables by name, over those of the tokenizer. <c>tools</c> and <c>documents</c> are none where they are not
    /// passed.
    /// </param>
    /// <exception cref="DataException">
    /// The template refuses the messages (raise_exception); <see cref="PeftNativeException.What"/> is its own message.
    /// </exception>
    /// <exception cref="ModelFormatException">The template fails, or exceeds its limits.</exception>
    /// <exception cref="UsageException">Of several templates none is the default, and none was named.</exception>
    public RenderedChat Render(JsonArray messages, bool addGenerationPrompt = false, JsonObject? arguments = null)
    {
        try
        {
            var template = Choose(arguments);
            var rendered = template.Render(
                [
                    new("tools", null), new("documents", null),
                    .. _variables.Select(v => new JinjaVariable(v.Key, v.Value)),
                    .. (arguments ?? []).Select(a => new JinjaVariable(a.Key, a.Value)),
                    new("messages", messages, OmitsNulls: true), // as transformers does
                    new("add_generation_prompt", addGenerationPrompt),
                ],
                OfJinja(Limits), Clock);
            return new RenderedChat(rendered.Text, rendered.GenerationSpans);
        }
        catch (JinjaException e)
        {
            throw Typed(e, "chat template");
        }
    }

    private JinjaTemplate Choose(JsonObject? arguments)
    {
        if (arguments?["chat_template"] is JsonValue value && value.TryGetValue<string>(out var name)
            && _templates.TryGetValue(name, out var named)) return named.Value;
        if (arguments?["tools"] is not null && _templates.TryGetValue(ChatTemplateFiles.ToolUse, out var forTools))
            return forTools.Value;
        if (_templates.TryGetValue(ChatTemplateFiles.Default, out var usual)) return usual.Value;
        var names = string.Join(", ", _templates.Keys.Order(StringComparer.Ordinal));
        throw new UsageException("None of the model's chat templates is called 'default'.", _where,
            $"Name one with --chat_template_kwargs chat_template=NAME. There are: {names}.");
    }

    // The default is looked at at once, so that a broken file is found early; the others where they are used.
    private static ChatTemplate Parse(IReadOnlyDictionary<string, string> templates,
        IReadOnlyDictionary<string, JsonNode?> variables, string where, ChatTemplateLimits? limits)
    {
        var used = limits ?? ChatTemplateLimits.Default;
        try
        {
            var parsed = templates.ToDictionary(t => t.Key,
                t => new Lazy<JinjaTemplate>(() => JinjaTemplate.Parse(t.Value, OfJinja(used))));
            if (parsed.TryGetValue(ChatTemplateFiles.Default, out var usual)) _ = usual.Value;
            return new ChatTemplate(parsed, variables, where) { Limits = used };
        }
        catch (JinjaException e)
        {
            throw Typed(e, where);
        }
    }

    private static JinjaLimits OfJinja(ChatTemplateLimits limits) => new(
        limits.TemplateLength, limits.Nesting, limits.Steps, limits.Output, limits.Memory, limits.Depth,
        limits.RangeLength, limits.IntegerBits);

    private static PeftNativeException Typed(JinjaException error, string where)
    {
        if (error.Line > 0) where += $", line {error.Line}";
        return error.Kind switch
        {
            JinjaError.Raised =>
                new DataException(error.Message, where, "The chat template refuses these messages.", error),
            JinjaError.Limit =>
                new ModelFormatException(error.Message, where, "Raise ChatTemplateLimits if you trust it.", error),
            JinjaError.Syntax => new ModelFormatException(error.Message, where, null, error),
            JinjaError.Data =>
                new DataException(error.Message, "messages or variables of a chat template", null, error),
            _ => new ModelFormatException(
                $"The chat template failed: {error.Message}.", where, "Do the messages have what it reads?", error),
        };
    }
}
