namespace PeftNative.Jinja;

/// <summary>What kind of error a template ended with.</summary>
public enum JinjaError
{
    /// <summary>The template text is not a template.</summary>
    Syntax,

    /// <summary>
    /// The template did something Python does not allow: an undefined value, a wrong type, a division by zero.
    /// </summary>
    Runtime,

    /// <summary>The template called raise_exception; the message is its own.</summary>
    Raised,

    /// <summary>The template or its data use more than the limits allow.</summary>
    Limit,

    /// <summary>
    /// A variable is broken JSON: a key twice, half a surrogate pair, a number with too many digits.
    /// </summary>
    Data,
}

/// <summary>An error of a template or of the data given to it.</summary>
public sealed class JinjaException : Exception
{
    internal JinjaException(string message, JinjaError kind = JinjaError.Runtime, Exception? inner = null)
        : base(message, inner) => Kind = kind;

    /// <summary>What went wrong.</summary>
    public JinjaError Kind { get; }

    /// <summary>The line of the template, from 1; 0 where it is not known.</summary>
    public int Line { get; internal set; }

    internal static JinjaException Syntax(string message, int line) =>
        new(message, JinjaError.Syntax) { Line = line };

    internal static JinjaException Limit(string message) => new(message, JinjaError.Limit);

    internal static JinjaException BadData(string message, Exception? inner = null) =>
        new(message, JinjaError.Data, inner);
}
