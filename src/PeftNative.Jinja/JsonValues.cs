using System.Globalization;
using System.Numerics;
using System.Text.Json;
using System.Text.Json.Nodes;
using PeftNative.Jinja.Runtime;
using PeftNative.Jinja.Values;

namespace PeftNative.Jinja;

/// <summary>JSON as a template sees it. Numbers keep their kind: 2 is an int, 2.0 and 1e-07 are floats.</summary>
internal sealed class JsonValues(Interpreter interpreter)
{
    private const int MostDigits = 4300;

    /// <summary>The value of a variable.</summary>
    /// <exception cref="JinjaException">
    /// It is broken: a key twice, half a surrogate pair, a number too long.
    /// </exception>
    public Value Convert(JinjaVariable variable) => variable is { OmitsNulls: true, Value: JsonArray items }
        ? new ListValue([.. items.Select(i => i is JsonObject item ? Object(item, skipNulls: true) : Convert(i))])
        : Convert(variable.Value);

    private Value Convert(JsonNode? node)
    {
        interpreter.Budget.Admit(1);
        switch (node)
        {
            case null: return NoneValue.Instance;
            case JsonObject members: return Object(members, skipNulls: false);
            case JsonArray items:
                interpreter.Budget.Enter();
                var list = new ListValue([.. items.Select(Convert)]);
                interpreter.Budget.Leave();
                return list;
            default: return Scalar(node.AsValue());
        }
    }

    private DictValue Object(JsonObject members, bool skipNulls)
    {
        interpreter.Budget.Enter();
        try
        {
            var entries = members.Where(m => m.Value is not null || !skipNulls)
                .Select(m => new KeyValuePair<Value, Value>(new StringValue(m.Key), Convert(m.Value)));
            interpreter.Budget.Admit(2 * members.Count);
            return interpreter.NewDict(entries);
        }
        catch (ArgumentException e)
        {
            throw JinjaException.BadData("A JSON object has the same key twice.", e);
        }
        finally
        {
            interpreter.Budget.Leave();
        }
    }

    private Value Scalar(JsonValue value)
    {
        if (value.TryGetValue<JsonElement>(out var element)) return Scalar(element);
        if (value.TryGetValue<string>(out var text)) return Text(text);
        if (value.TryGetValue<bool>(out var flag)) return BoolValue.Of(flag);
        if (value.TryGetValue<double>(out var real)) return new FloatValue(real);
        if (value.TryGetValue<float>(out var single)) return new FloatValue(single);
        if (value.TryGetValue<decimal>(out var exact)) return new FloatValue((double)exact);
        // What is left are the whole numbers and what prints as a string (dates, GUIDs).
        using var document = JsonDocument.Parse(value.ToJsonString());
        return Scalar(document.RootElement);
    }

    private Value Scalar(JsonElement element)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.String: return Text(StringOf(element));
            case JsonValueKind.True: return BoolValue.True;
            case JsonValueKind.False: return BoolValue.False;
            case JsonValueKind.Number: return Number(element.GetRawText());
            default: return NoneValue.Instance;
        }
    }

    private StringValue Text(string text)
    {
        interpreter.Budget.Admit(text.Length);
        return new StringValue(text);
    }

    private static string StringOf(JsonElement element)
    {
        try
        {
            return element.GetString()!;
        }
        catch (InvalidOperationException e)
        {
            throw JinjaException.BadData("A JSON string holds half of a surrogate pair.", e);
        }
    }

    private static Value Number(string text)
    {
        if (text.AsSpan().ContainsAny('.', 'e', 'E'))
            return new FloatValue(double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture));
        return text.Length <= MostDigits
            ? new IntValue(BigInteger.Parse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture))
            : throw JinjaException.BadData($"A whole number has more than {MostDigits} digits.");
    }
}
