using PeftNative.Tokenizers.Chat.Jinja.Runtime;
using PeftNative.Tokenizers.Chat.Jinja.Syntax;

namespace PeftNative.Tokenizers.Chat.Jinja;

/// <summary>
/// A parsed Jinja template with the semantics of Python, as chat templates are written for. It is our own because no
/// .NET library renders Jinja: Scriban is not on the registry and Fluid renders Liquid, another language. <c>Syntax</c>
/// reads a template to a tree, <c>Runtime</c> walks it, <c>Values</c> are what it computes with, <c>Library</c> and
/// <c>Formatting</c> what it can call. Immutable; several threads may render it at once.
/// </summary>
internal sealed class Template
{
    private readonly Block _body;

    private Template(Block body) => _body = body;

    /// <summary>
    /// Parses a template; throws <see cref="JinjaException"/> where it is broken or beyond the limits.
    /// </summary>
    public static Template Parse(string source, ChatTemplateLimits limits) => new(Parser.Parse(source, limits));

    /// <summary>
    /// Renders after <paramref name="define"/> has set the variables; throws <see cref="JinjaException"/>, with the
    /// line, where the template fails.
    /// </summary>
    public (string Text, IReadOnlyList<(int Start, int End)> GenerationSpans) Render(
        Action<Interpreter> define, ChatTemplateLimits limits, TimeProvider clock)
    {
        var interpreter = new Interpreter(new Budget(limits), clock);
        define(interpreter);
        try
        {
            return (interpreter.Render(_body), interpreter.GenerationSpans);
        }
        catch (JinjaException e)
        {
            e.Line = interpreter.Line;
            throw;
        }
    }
}
