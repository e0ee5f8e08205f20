using System.Text.Json.Nodes;

namespace PeftNative.Cli.Output;

/// <summary>Where a verb writes and how: results to the output, everything about them to the error stream.</summary>
internal sealed class Terminal(TextWriter output, TextWriter error, TextReader input, Interruption interruption)
{
    private readonly HashSet<string> warned = [];

    /// <summary>Results.</summary>
    public TextWriter Out { get; } = output;

    /// <summary>Diagnostics and progress.</summary>
    public TextWriter Error { get; } = error;

    /// <summary>What is piped in or typed.</summary>
    public TextReader In { get; } = input;

    /// <summary>Whether the input is typed by a person, so that reading it waits for them.</summary>
    public bool IsKeyboard { get; init; }

    /// <summary>Whether results are JSON lines.</summary>
    public bool Json { get; set; }

    /// <summary>Whether progress is left out.</summary>
    public bool Quiet { get; set; }

    /// <summary>Whether more is said.</summary>
    public bool Verbose { get; set; }

    /// <summary>Whether the error stream is a screen, on which a line can be written over.</summary>
    public bool IsLive { get; init; }

    /// <summary>Whether results may be coloured.</summary>
    public bool HasColour { get; init; }

    /// <summary>Ctrl-C and its like.</summary>
    public Interruption Interruption { get; } = interruption;

    /// <summary>Set when the user wants the work to end.</summary>
    public CancellationToken Cancellation => Interruption.Token;

    /// <summary>The next line of the input; null at its end. Waiting for it ends with the wish to stop.</summary>
    /// <exception cref="OperationCanceledException">The user wants the work to end.</exception>
    public string? ReadLine()
    {
        if (!IsKeyboard) return In.ReadLine();
        // A read from a keyboard cannot be broken off; it is left behind when the program ends.
        return Task.Run(In.ReadLine).WaitAsync(Cancellation).GetAwaiter().GetResult();
    }

    /// <summary>A line for people; nothing when results are JSON.</summary>
    public void Line(string text = "")
    {
        if (!Json) Out.WriteLine(text);
    }

    /// <summary>An object for machines; nothing otherwise.</summary>
    public void Object(JsonObject value)
    {
        if (!Json) return;
        Out.WriteLine(value.ToJsonString(JsonLines.Options));
        Out.Flush();
    }

    /// <summary>A remark about the work.</summary>
    public void Note(string text)
    {
        if (!Quiet) Error.WriteLine(text);
    }

    /// <summary>Something the user should know.</summary>
    public void Warn(string text) => Error.WriteLine($"warning: {text}");

    /// <summary>Likewise, but nothing where it was said in this way before.</summary>
    public void WarnOnce(string text)
    {
        if (warned.Add(text)) Warn(text);
    }

    /// <summary>Text in a colour (an SGR code such as 32), where colours are wanted.</summary>
    public string Paint(string text, int colour) => HasColour ? $"\e[{colour}m{text}\e[0m" : text;
}

/// <summary>How JSON lines are written.</summary>
internal static class JsonLines
{
    /// <summary>Texts stay readable instead of being escaped for HTML.</summary>
    public static readonly System.Text.Json.JsonSerializerOptions Options = new()
    {
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        TypeInfoResolver = System.Text.Json.Serialization.Metadata.JsonTypeInfoResolver.Combine(),
    };

    /// <summary>A number as JSON; what JSON cannot say is null.</summary>
    public static JsonNode? Number(double? value) => value is { } v && double.IsFinite(v) ? JsonValue.Create(v) : null;

    /// <summary>The number of a node, whatever type it was made from; NaN where there is none.</summary>
    public static double ToDouble(JsonNode? node) =>
        node is null ? double.NaN
        : double.Parse(node.ToJsonString(), System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>Texts as JSON.</summary>
    public static JsonArray List(IEnumerable<string> items) => [.. items.Select(i => (JsonNode)JsonValue.Create(i))];
}
