namespace PeftNative.Tokenizers.Chat.Jinja;

/// <summary>What kind of error a template ended with.</summary>
internal enum JinjaError
{
    /// <summary>The template text is not a template.</summary>
    Syntax,

    /// <summary>
    /// The template did something Python does not allow: an undefined value, a wrong type, a division by zero.
    /// </summary>
    Runtime,

    /// <summary>The template called raise_exception; the message is its own.</summary>
    Raised,

    /// <summary>The template used more than its limits allow.</summary>
    Limit,
}

/// <summary>An error of a template; <see cref="Template"/> fills in the line.</summary>
internal sealed class JinjaException(string message, JinjaError kind = JinjaError.Runtime) : Exception(message)
{
    public JinjaError Kind { get; } = kind;

    /// <summary>The line of the template, from 1; 0 where it is not known.</summary>
    public int Line { get; set; }

    public static JinjaException Syntax(string message, int line) => new(message, JinjaError.Syntax) { Line = line };

    public static JinjaException Limit(string message) => new(message, JinjaError.Limit);
}
