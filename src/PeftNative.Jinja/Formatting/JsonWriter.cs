using PeftNative.Jinja.Values;

namespace PeftNative.Jinja.Formatting;

/// <summary>Python's <c>json.dumps</c>: its separators, its floats, its escapes.</summary>
internal sealed class JsonWriter(TextBuilder output)
{
    private int _level;

    public bool EscapesNonAscii { get; init; }

    /// <summary>What one level of indentation is; null for everything on one line.</summary>
    public string? Indent { get; init; }

    public string ItemSeparator { get; init; } = ", ";

    public string KeySeparator { get; init; } = ": ";

    public bool SortsKeys { get; init; }

    public void Write(Value value)
    {
        output.Budget.Step();
        switch (value)
        {
            case NoneValue: output.Append("null"); break;
            case BoolValue: output.Append(value.IsTrue ? "true" : "false"); break;
            case IntValue: value.WriteRepr(output); break;
            case FloatValue real: output.Append(FloatOf(real.Number)); break;
            case StringValue text: WriteString(text.Text); break;
            case SequenceValue sequence: WriteList(sequence); break;
            case DictValue dict: WriteDict(dict); break;
            default: throw new JinjaException($"Object of type {value.TypeName} is not JSON serializable");
        }
    }

    private static string FloatOf(double number) =>
        double.IsFinite(number) ? FloatText.Repr(number)
        : double.IsNaN(number) ? "NaN"
        : number > 0 ? "Infinity" : "-Infinity";

    private void WriteList(SequenceValue list)
    {
        if (list.Elements.Count == 0)
        {
            output.Append("[]");
            return;
        }

        Open("[");
        for (var i = 0; i < list.Elements.Count; i++)
        {
            if (i > 0) Separate();
            Write(list.Elements[i]);
        }

        Close("]");
    }

    private void WriteDict(DictValue dict)
    {
        if (dict.Entries.Count == 0)
        {
            output.Append("{}");
            return;
        }

        Open("{");
        var isFirst = true;
        IEnumerable<KeyValuePair<Value, Value>> entries = SortsKeys ? Sorted(dict) : dict.Entries;
        foreach (var (key, value) in entries)
        {
            if (!isFirst) Separate();
            isFirst = false;
            WriteString(KeyOf(key));
            output.Append(KeySeparator);
            Write(value);
        }

        Close("}");
    }

    private List<KeyValuePair<Value, Value>> Sorted(DictValue dict) =>
        Sorting.Sort([.. dict.Entries], (a, b) => Operators.IsLess(a.Key, b.Key, output.Budget));

    private static string KeyOf(Value key) => key switch
    {
        StringValue text => text.Text,
        FloatValue real => FloatOf(real.Number),
        BoolValue => key.IsTrue ? "true" : "false",
        NoneValue => "null",
        IntValue integer => integer.Number.ToString(),
        _ => throw new JinjaException($"keys must be str, int, float, bool or None, not {key.TypeName}"),
    };

    private void Open(string bracket)
    {
        output.Budget.Enter();
        output.Append(bracket);
        _level++;
        NewLine();
    }

    private void Close(string bracket)
    {
        _level--;
        NewLine();
        output.Append(bracket);
        output.Budget.Leave();
    }

    private void Separate()
    {
        output.Append(ItemSeparator);
        NewLine();
    }

    private void NewLine()
    {
        if (Indent is null) return;
        output.Append("\n");
        for (var i = 0; i < _level; i++) output.Append(Indent);
    }

    private void WriteString(string text)
    {
        output.Append("\"");
        var plain = 0;
        for (var i = 0; i < text.Length; i++)
        {
            if (EscapeOf(text[i]) is not { } escape) continue;
            output.Append(text.AsSpan(plain, i - plain));
            output.Append(escape);
            plain = i + 1;
        }

        output.Append(text.AsSpan(plain));
        output.Append("\"");
    }

    private string? EscapeOf(char c) => c switch
    {
        '"' => "\\\"",
        '\\' => @"\\",
        '\n' => @"\n",
        '\r' => @"\r",
        '\t' => @"\t",
        '\f' => @"\f",
        '\b' => @"\b",
        < ' ' => $"\\u{(int)c:x4}",
        > '~' when EscapesNonAscii => $"\\u{(int)c:x4}",
        _ => null,
    };
}
