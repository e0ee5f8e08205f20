using PeftNative.Jinja.Formatting;
using PeftNative.Jinja.Runtime;
using PeftNative.Jinja.Values;

namespace PeftNative.Jinja.Library;

/// <summary>The functions every template finds: those of Jinja, and the two that transformers adds.</summary>
internal static class Globals
{
    public static Dictionary<string, Builtin> Functions { get; } = PythonMethods.Of(
        Builtin.Variadic("range", Range),
        Builtin.Variadic("dict", NewDict),
        Builtin.Variadic("namespace", c => new NamespaceValue(NewDict(c))),
        Builtin.Variadic("cycler", c => c.All.Positional.Count > 0
            ? new CyclerValue(c.All.Positional)
            : throw new JinjaException("at least one item has to be provided")),
        Builtin.Of("joiner", "| sep", c => new JoinerValue(c.Optional(0) ?? new StringValue(", "))),
        Builtin.Of("raise_exception", "message", c => throw new JinjaException(c.Text(0), JinjaError.Raised)),
        Builtin.Of("strftime_now", "format", c =>
            new StringValue(TimeText.Format(c.String(0), c.Interpreter.Clock.GetLocalNow(), c.Budget))));

    private static RangeValue Range(Invocation call)
    {
        var numbers = new List<long>();
        foreach (var argument in call.All.Positional)
        {
            if (!Operators.IsInteger(argument, out var number))
                throw argument is UndefinedValue u ? u.Error()
                    : new JinjaException($"'{argument.TypeName}' object cannot be interpreted as an integer");
            if (number.GetBitLength() > 40) throw JinjaException.Limit("A bound of range() is too large.");
            numbers.Add((long)number);
        }

        var (start, stop, step) = numbers switch
        {
            [var end] => (0L, end, 1L),
            [var begin, var end] => (begin, end, 1L),
            [var begin, var end, var by] => (begin, end, by),
            _ => throw new JinjaException($"range expected 1 to 3 arguments, got {numbers.Count}"),
        };
        if (step == 0) throw new JinjaException("range() arg 3 must not be zero");
        var count = Math.Max(0, step > 0 ? (stop - start + step - 1) / step : (start - stop - step - 1) / -step);
        var limit = call.Budget.Limits.RangeLength;
        return count <= limit
            ? new RangeValue(start, stop, step, (int)count)
            : throw JinjaException.Limit($"Range too big. The sandbox blocks ranges larger than MAX_RANGE ({limit}).");
    }

    private static DictValue NewDict(Invocation call)
    {
        List<KeyValuePair<Value, Value>> entries = [];
        if (call.All.Positional.Count > 1)
            throw new JinjaException($"dict expected at most 1 argument, got {call.All.Positional.Count}");
        if (call.All.Positional is [DictValue source]) entries.AddRange(source.Entries);
        else if (call.All.Positional is [var pairs])
            entries.AddRange(call.Interpreter.Iterate(pairs).Select(p => Pair(p, call)));
        foreach (var (name, value) in call.All.Named) entries.Add(new(new StringValue(name), value));
        return call.Interpreter.NewDict(entries);
    }

    private static KeyValuePair<Value, Value> Pair(Value pair, Invocation call) =>
        call.Interpreter.Iterate(pair).Take(3).ToList() switch
    {
        [var key, var value] => new(key, value),
        var other =>
            throw new JinjaException($"dictionary update sequence element has length {other.Count}; 2 is required"),
    };
}

/// <summary>A <c>cycler()</c>: values taken in turn.</summary>
internal sealed class CyclerValue(IReadOnlyList<Value> items) : Value
{
    private int _position;

    public override string TypeName => "Cycler";

    public override Value? Attribute(string name) => name switch
    {
        "items" => new TupleValue(items),
        "pos" => new IntValue(_position),
        "current" => items[_position],
        "next" => new FunctionValue(Builtin.Of("next", "", _ => Next())),
        "reset" => new FunctionValue(Builtin.Of("reset", "", _ => Reset())),
        _ => null,
    };

    public override void WriteRepr(TextBuilder output) => output.Append("<Cycler object>");

    private Value Next()
    {
        var item = items[_position];
        _position = (_position + 1) % items.Count;
        return item;
    }

    private NoneValue Reset()
    {
        _position = 0;
        return NoneValue.Instance;
    }
}

/// <summary>A <c>joiner()</c>: nothing the first time, its separator afterwards.</summary>
internal sealed class JoinerValue(Value separator) : Value
{
    private bool _used;

    public override string TypeName => "Joiner";

    public override bool IsCallable => true;

    public override Value? Attribute(string name) => name switch
    {
        "sep" => separator,
        "used" => BoolValue.Of(_used),
        _ => null,
    };

    public override Value Call(Interpreter interpreter, Arguments arguments)
    {
        if (_used) return separator;
        _used = true;
        return StringValue.Empty;
    }

    public override void WriteRepr(TextBuilder output) => output.Append("<Joiner object>");
}
