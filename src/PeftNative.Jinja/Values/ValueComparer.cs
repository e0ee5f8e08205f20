namespace PeftNative.Jinja.Values;

/// <summary>Keys of dicts by Python's equality: 1, 1.0 and True are one key. Counts what long keys cost.</summary>
internal sealed class ValueComparer(Budget budget) : IEqualityComparer<Value>
{
    public Budget Budget { get; } = budget;

    public bool Equals(Value? x, Value? y) => Operators.AreEqual(x!, y!, Budget);

    public int GetHashCode(Value value)
    {
        if (!value.IsHashable) throw new JinjaException($"unhashable type: '{value.TypeName}'");
        switch (value)
        {
            case StringValue text:
                Budget.Read(text.Text.Length);
                return text.Text.GetHashCode();
            case TupleValue tuple:
                return HashOf(tuple);
            default:
                return Operators.IsInteger(value, out var integer) ? integer.GetHashCode()
                    : value is FloatValue real ? HashOf(real.Number)
                    : value is UndefinedValue ? 0
                    : value.GetHashCode();
        }
    }

    /// <summary>Whether a value is hashable with all that it holds.</summary>
    public bool CanBeKey(Value value)
    {
        if (value is not TupleValue tuple) return value.IsHashable;
        Budget.Enter();
        var result = true;
        foreach (var element in tuple.Elements)
        {
            Budget.Step();
            if (result = CanBeKey(element)) continue;
            break;
        }

        Budget.Leave();
        return result;
    }

    private static int HashOf(double number)
    {
        // A whole float must find the int that equals it; others are hashed with the process's random seed.
        if (double.IsInteger(number)) return new System.Numerics.BigInteger(number).GetHashCode();
        var bits = BitConverter.DoubleToInt64Bits(number);
        return HashCode.Combine((int)bits, (int)(bits >> 32));
    }

    private int HashOf(TupleValue tuple)
    {
        Budget.Enter();
        var hash = new HashCode();
        foreach (var element in tuple.Elements)
        {
            Budget.Step();
            hash.Add(GetHashCode(element));
        }

        Budget.Leave();
        return hash.ToHashCode();
    }
}
