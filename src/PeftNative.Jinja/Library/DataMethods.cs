using System.Numerics;
using PeftNative.Jinja.Runtime;
using PeftNative.Jinja.Values;

namespace PeftNative.Jinja.Library;

/// <summary>The methods of dicts.</summary>
internal static class DictMethods
{
    private static readonly PythonMethods Table = new(
        PythonMethods.Of(
            Builtin.Of(
                "get", "self key | default", c => c[0].Index(Hashable(c[1])) ?? c.Optional(2) ?? NoneValue.Instance),
            Builtin.Of("keys", "self", c => View("dict_keys", c, e => e.Key)),
            Builtin.Of("values", "self", c => View("dict_values", c, e => e.Value)),
            Builtin.Of("items", "self", c => View("dict_items", c, e => new TupleValue([e.Key, e.Value]))),
            Builtin.Of("copy", "self", c => c[0])),
        "clear", "pop", "popitem", "setdefault", "update");

    public static Value? Find(DictValue self, string name) => Table.Find(self, name);

    private static Value Hashable(Value key) =>
        key.IsHashable ? key : throw new JinjaException($"unhashable type: '{key.TypeName}'");

    private static DictViewValue View(string typeName, Invocation call, Func<KeyValuePair<Value, Value>, Value> select)
    {
        var entries = ((DictValue)call[0]).Entries;
        call.Budget.Items(entries.Count);
        return new DictViewValue(typeName, [.. entries.Select(select)]);
    }
}

/// <summary>The methods of lists and tuples.</summary>
internal static class SequenceMethods
{
    private static readonly Dictionary<string, Builtin> Common = PythonMethods.Of(
        Builtin.Of("count", "self value", c =>
            new IntValue(c.Items(0).Count(item => Operators.AreEqual(item, c[1], c.Budget)))),
        Builtin.Of("index", "self value | start stop", IndexOf),
        Builtin.Of("copy", "self", c => c[0]));

    private static readonly PythonMethods Lists = new(
        Common, "append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove");

    private static readonly PythonMethods Tuples = new(Common.Where(m => m.Key != "copy").ToDictionary());

    public static Value? Find(SequenceValue self, string name) => (self is ListValue ? Lists : Tuples).Find(self, name);

    private static IntValue IndexOf(Invocation call)
    {
        var elements = ((SequenceValue)call[0]).Elements;
        var (start, step, count) = new SliceBounds(call.Integer(2, 0), call.Integer(3, int.MaxValue), null)
            .Resolve(elements.Count);
        for (var i = start; i < start + count; i += step)
            if (Operators.AreEqual(elements[i], call[1], call.Budget))
                return new IntValue(i);
        throw new JinjaException($"{TextBuilder.ReprOf(call[1], call.Budget)} is not in {call[0].TypeName}");
    }
}

/// <summary>The methods and properties of ints, bools and floats.</summary>
internal static class NumberMethods
{
    private static readonly PythonMethods Integers = new(PythonMethods.Of(
        Builtin.Of("bit_length", "self", c =>
            new IntValue(Operators.IsInteger(c[0], out var n) ? BigInteger.Abs(n).GetBitLength() : 0)),
        Builtin.Of("conjugate", "self", c => c[0])));

    private static readonly PythonMethods Floats = new(PythonMethods.Of(
        Builtin.Of("is_integer", "self", c => BoolValue.Of(double.IsInteger(((FloatValue)c[0]).Number))),
        Builtin.Of("conjugate", "self", c => c[0])));

    public static Value? Find(Value self, string name) => name switch
    {
        "real" => self is BoolValue ? new IntValue(self.IsTrue ? 1 : 0) : self,
        "imag" => self is FloatValue ? new FloatValue(0) : new IntValue(0),
        "numerator" when self is not FloatValue => self,
        "denominator" when self is not FloatValue => new IntValue(1),
        _ => (self is FloatValue ? Floats : Integers).Find(self, name),
    };
}
