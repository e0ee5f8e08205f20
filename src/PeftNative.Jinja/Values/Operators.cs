using System.Numerics;
using PeftNative.Jinja.Formatting;

namespace PeftNative.Jinja.Values;

/// <summary>Equality, order, membership and access, as Python defines them on these values.</summary>
internal static class Operators
{
    /// <summary>Whether a value is an int; a bool is one too.</summary>
    public static bool IsInteger(Value value, out BigInteger number)
    {
        number = value switch { IntValue i => i.Number, BoolValue b => b.IsTrue ? 1 : 0, _ => default };
        return value is IntValue or BoolValue;
    }

    /// <summary>Whether a value is a number, as a double.</summary>
    public static bool IsNumber(Value value, out double number)
    {
        number = value switch { FloatValue f => f.Number, _ => IsInteger(value, out var i) ? ToDouble(i) : 0 };
        return value is FloatValue or IntValue or BoolValue;
    }

    public static double ToDouble(BigInteger number)
    {
        var result = (double)number;
        return double.IsInfinity(result) ? throw new JinjaException("int too large to convert to float") : result;
    }

    public static bool AreEqual(Value left, Value right, Budget budget)
    {
        budget.Step();
        if (CompareNumbers(left, right) is { } order) return order == 0;
        switch (left, right)
        {
            case (FloatValue or IntValue or BoolValue, FloatValue or IntValue or BoolValue):
                return false;
            case (StringValue a, StringValue b):
                if (a.Text.Length == b.Text.Length) budget.Read(a.Text.Length);
                return a.Text == b.Text;
            case (ListValue a, ListValue b):
                return AreEqual(a.Elements, b.Elements, budget);
            case (TupleValue a, TupleValue b):
                return AreEqual(a.Elements, b.Elements, budget);
            case (RangeValue a, RangeValue b):
                return AreEqual([.. a.Items], [.. b.Items], budget);
            case (DictValue a, DictValue b):
                return AreEqual(a, b, budget);
            case (UndefinedValue, UndefinedValue):
                return true;
            default:
                return ReferenceEquals(left, right);
        }
    }

    private static bool AreEqual(IReadOnlyList<Value> left, IReadOnlyList<Value> right, Budget budget)
    {
        if (left.Count != right.Count) return false;
        budget.Enter();
        var equal = true;
        for (var i = 0; i < left.Count && equal; i++) equal = AreEqual(left[i], right[i], budget);
        budget.Leave();
        return equal;
    }

    private static bool AreEqual(DictValue left, DictValue right, Budget budget)
    {
        if (left.Entries.Count != right.Entries.Count) return false;
        budget.Enter();
        var equal = left.Entries.All(entry =>
            right.Entries.TryGetValue(entry.Key, out var other) && AreEqual(entry.Value, other, budget));
        budget.Leave();
        return equal;
    }

    /// <summary>
    /// The order of two numbers, exact between int and float; null where one is no number or not a number at all (NaN).
    /// </summary>
    private static int? CompareNumbers(Value left, Value right)
    {
        if (IsInteger(left, out var a) && IsInteger(right, out var b)) return a.CompareTo(b);
        if (left is FloatValue x && right is FloatValue y)
            return double.IsNaN(x.Number) || double.IsNaN(y.Number) ? null : x.Number.CompareTo(y.Number);
        if (left is FloatValue f && IsInteger(right, out b)) return Compare(f.Number, b);
        if (right is FloatValue g && IsInteger(left, out a)) return -Compare(g.Number, a);
        return null;
    }

    private static int? Compare(double real, BigInteger integer)
    {
        if (double.IsNaN(real)) return null;
        if (double.IsInfinity(real)) return real > 0 ? 1 : -1;
        var whole = new BigInteger(Math.Floor(real));
        return whole != integer ? whole.CompareTo(integer) : real > Math.Floor(real) ? 1 : 0;
    }

    /// <summary>One of <c>&lt; &lt;= &gt; &gt;=</c>.</summary>
    public static bool IsOrdered(Value left, string symbol, Value right, Budget budget)
    {
        if (left is FloatValue or IntValue or BoolValue && right is FloatValue or IntValue or BoolValue)
            return CompareNumbers(left, right) is { } numbers && Holds(symbol, numbers);
        return Holds(symbol, Compare(left, symbol, right, budget));
    }

    public static bool IsLess(Value left, Value right, Budget budget) => IsOrdered(left, "<", right, budget);

    private static bool Holds(string symbol, int order) => symbol switch
    {
        "<" => order < 0,
        "<=" => order <= 0,
        ">" => order > 0,
        _ => order >= 0,
    };

    private static int Compare(Value left, string symbol, Value right, Budget budget)
    {
        budget.Step();
        switch (left, right)
        {
            case (UndefinedValue undefined, _): throw undefined.Error();
            case (_, UndefinedValue undefined): throw undefined.Error();
            case (StringValue a, StringValue b):
                budget.Read(Math.Min(a.Text.Length, b.Text.Length));
                return PythonText.CompareByCodePoint(a.Text, b.Text);
            case (ListValue a, ListValue b): return Compare(a, symbol, b, budget);
            case (TupleValue a, TupleValue b): return Compare(a, symbol, b, budget);
            default:
                throw new JinjaException(
                    $"'{symbol}' not supported between instances of '{left.TypeName}' and '{right.TypeName}'");
        }
    }

    private static int Compare(SequenceValue left, string symbol, SequenceValue right, Budget budget)
    {
        budget.Enter();
        var common = Math.Min(left.Elements.Count, right.Elements.Count);
        var result = left.Elements.Count.CompareTo(right.Elements.Count);
        for (var i = 0; i < common; i++)
        {
            if (AreEqual(left.Elements[i], right.Elements[i], budget)) continue;
            // Python asks the operator itself of the first pair that differs.
            result = IsOrdered(left.Elements[i], symbol, right.Elements[i], budget) == symbol.StartsWith('<') ? -1 : 1;
            break;
        }

        budget.Leave();
        return result;
    }

    /// <summary><c>item in container</c>.</summary>
    public static bool Contains(Value container, Value item, Budget budget)
    {
        switch (container)
        {
            case StringValue text:
                if (item is not StringValue part)
                    throw new JinjaException($"'in <string>' requires string as left operand, not {item.TypeName}");
                return TextSearch.IndexOf(text.Text, part.Text, 0, budget) >= 0;
            case DictValue dict:
                return dict.Entries.ContainsKey(item);
        }

        var items = container.Items
            ?? throw new JinjaException($"argument of type '{container.TypeName}' is not iterable");
        return items.Any(other => AreEqual(item, other, budget));
    }

    /// <summary><c>owner.name</c>: an attribute first, then an item.</summary>
    public static Value GetAttribute(Value owner, string name)
    {
        if (owner is UndefinedValue undefined) throw undefined.Error();
        return owner.Attribute(name) ?? owner.Index(new StringValue(name)) ?? Missing(owner, name);
    }

    /// <summary><c>owner[key]</c>: an item first, then an attribute.</summary>
    public static Value GetItem(Value owner, Value key, Budget budget)
    {
        if (owner is UndefinedValue undefined) throw undefined.Error();
        if (owner.Index(key) is { } item) return item;
        if (key is StringValue name) return owner.Attribute(name.Text) ?? Missing(owner, name.Text);
        return UndefinedValue.OfItem(owner, TextBuilder.ReprOf(key, budget));
    }

    private static UndefinedValue Missing(Value owner, string name) =>
        name.StartsWith("__", StringComparison.Ordinal) && name.EndsWith("__", StringComparison.Ordinal)
            ? UndefinedValue.Unsafe(owner, name)
            : UndefinedValue.OfAttribute(owner, name);
}
