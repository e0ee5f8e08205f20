using System.Numerics;
using PeftNative.Jinja.Formatting;

namespace PeftNative.Jinja.Values;

/// <summary>
/// The arithmetic of Python: ints of any size, true division, floor division and modulo with the divisor's sign.
/// </summary>
internal static class Arithmetic
{
    public static Value Apply(string symbol, Value left, Value right, Budget budget)
    {
        if (left is UndefinedValue a) throw a.Error();
        if (symbol == "%" && left is StringValue format) return PercentFormat.Apply(format, right, budget);
        if (right is UndefinedValue b) throw b.Error();
        return Operators.IsInteger(left, out var i) && Operators.IsInteger(right, out var j)
            ? Integers(symbol, i, j, budget)
            : Operators.IsNumber(left, out var x) && Operators.IsNumber(right, out var y)
            ? new FloatValue(Floats(symbol, x, y))
            : symbol == "+" ? Join(left, right, budget)
            : symbol == "*" && Operators.IsInteger(right, out j) && IsRepeatable(left) ? Repeat(left, j, budget)
            : symbol == "*" && Operators.IsInteger(left, out i) && IsRepeatable(right) ? Repeat(right, i, budget)
            : throw Unsupported(symbol, left, right);
    }

    public static Value Sign(char symbol, Value operand)
    {
        if (operand is UndefinedValue undefined) throw undefined.Error();
        if (Operators.IsInteger(operand, out var integer)) return new IntValue(symbol == '-' ? -integer : integer);
        if (operand is FloatValue real) return new FloatValue(symbol == '-' ? -real.Number : real.Number);
        throw new JinjaException($"bad operand type for unary {symbol}: '{operand.TypeName}'");
    }

    private static JinjaException Unsupported(string symbol, Value left, Value right) => (symbol, left) switch
    {
        ("+", StringValue) => new($"can only concatenate str (not \"{right.TypeName}\") to str"),
        ("+", ListValue) => new($"can only concatenate list (not \"{right.TypeName}\") to list"),
        _ => new($"unsupported operand type(s) for {symbol}: '{left.TypeName}' and '{right.TypeName}'"),
    };

    private static Value Integers(string symbol, BigInteger left, BigInteger right, Budget budget)
    {
        switch (symbol)
        {
            case "+": return Checked(left + right, budget);
            case "-": return Checked(left - right, budget);
            case "*":
                budget.Read(left.GetBitLength());
                return Checked(left * right, budget);
            case "**": return Power(left, right, budget);
        }

        if (right.IsZero)
            throw new JinjaException(symbol == "/" ? "division by zero" : "integer division or modulo by zero");
        if (symbol == "/") return new FloatValue(Divide(left, right));
        var quotient = BigInteger.DivRem(left, right, out var remainder);
        var borrows = !remainder.IsZero && remainder.Sign != right.Sign;
        return new IntValue(symbol == "//" ? quotient - (borrows ? 1 : 0) : remainder + (borrows ? right : 0));
    }

    /// <summary>The quotient rounded once, also where the operands are beyond the precision of a double.</summary>
    private static double Divide(BigInteger left, BigInteger right)
    {
        const long exact = 1L << 53;
        if (BigInteger.Abs(left) <= exact && BigInteger.Abs(right) <= exact) return (double)left / (double)right;
        // 66 bits of quotient and a sticky bit for what is cut off round to the nearest double.
        var shift = (int)(66 - left.GetBitLength() + right.GetBitLength());
        var numerator = shift > 0 ? left << shift : left;
        var denominator = shift < 0 ? right << -shift : right;
        var quotient = BigInteger.DivRem(numerator, denominator, out var remainder);
        if (!remainder.IsZero) quotient = (quotient << 1) + (left.Sign == right.Sign ? 1 : -1);
        else quotient <<= 1;
        var result = Math.ScaleB((double)quotient, -shift - 1);
        return double.IsInfinity(result) ? throw new JinjaException("integer division result too large for a float")
            : result;
    }

    private static Value Power(BigInteger left, BigInteger right, Budget budget)
    {
        if (right.Sign < 0)
        {
            if (left.IsZero) throw new JinjaException("0.0 cannot be raised to a negative power");
            return new FloatValue(Math.Pow(Operators.ToDouble(left), Operators.ToDouble(right)));
        }

        if (right.IsZero) return new IntValue(1);
        if (BigInteger.Abs(left) <= 1) return new IntValue(right.IsEven ? BigInteger.Abs(left) : left);
        if (right * left.GetBitLength() > 2 * budget.Limits.IntegerBits) throw TooLarge(budget);
        budget.Read((long)right * left.GetBitLength());
        return Checked(BigInteger.Pow(left, (int)right), budget);
    }

    private static IntValue Checked(BigInteger number, Budget budget) =>
        number.GetBitLength() <= budget.Limits.IntegerBits ? new IntValue(number) : throw TooLarge(budget);

    private static JinjaException TooLarge(Budget budget) =>
        JinjaException.Limit($"A whole number has more than {budget.Limits.IntegerBits} bits.");

    private static double Floats(string symbol, double left, double right)
    {
        switch (symbol)
        {
            case "+": return left + right;
            case "-": return left - right;
            case "*": return left * right;
            case "**": return Power(left, right);
        }

        if (right == 0) throw new JinjaException(symbol switch
        {
            "/" => "float division by zero",
            "//" => "float floor division by zero",
            _ => "float modulo",
        });
        if (symbol == "/") return left / right;
        var remainder = Modulo(left, right);
        return symbol == "%" ? remainder : FloorQuotient(left, right, remainder);
    }

    private static double Modulo(double left, double right)
    {
        var remainder = left % right;
        if (remainder == 0) return Math.CopySign(0, right);
        return remainder < 0 != right < 0 ? remainder + right : remainder;
    }

    private static double FloorQuotient(double left, double right, double remainder)
    {
        var quotient = (left - remainder) / right;
        if (quotient == 0) return Math.CopySign(0, left / right);
        var floor = Math.Floor(quotient);
        return quotient - floor > 0.5 ? floor + 1 : floor;
    }

    private static double Power(double left, double right)
    {
        if (left == 0 && right < 0) throw new JinjaException("0.0 cannot be raised to a negative power");
        if (left < 0 && double.IsFinite(left) && double.IsFinite(right) && !double.IsInteger(right))
            throw new JinjaException("a negative number to a fractional power is complex, which templates do not know");
        var result = Math.Pow(left, right);
        return double.IsInfinity(result) && double.IsFinite(left) && double.IsFinite(right)
            ? throw new JinjaException("(34, 'Numerical result out of range')")
            : result;
    }

    private static Value Join(Value left, Value right, Budget budget)
    {
        switch (left, right)
        {
            case (StringValue a, StringValue b):
                var isMarkup = a.IsMarkup || b.IsMarkup;
                var (x, y) = isMarkup ? (Markup.Escape(a), Markup.Escape(b)) : (a.Text, b.Text);
                budget.Text(x.Length + (long)y.Length);
                return new StringValue(x + y, isMarkup);
            case (ListValue, ListValue) or (TupleValue, TupleValue):
                var (first, second) = ((SequenceValue)left, (SequenceValue)right);
                budget.Items(first.Elements.Count + (long)second.Elements.Count);
                return first.Create([.. first.Elements, .. second.Elements]);
            default:
                throw Unsupported("+", left, right);
        }
    }

    private static bool IsRepeatable(Value value) => value is StringValue or ListValue or TupleValue;

    private static Value Repeat(Value value, BigInteger count, Budget budget)
    {
        var size = value is StringValue s ? s.Text.Length : ((SequenceValue)value).Elements.Count;
        var times = count.Sign <= 0 || size == 0 ? 0 : (int)BigInteger.Min(count, int.MaxValue);
        if (value is StringValue text)
        {
            budget.Text((long)times * size);
            return text.With(string.Concat(Enumerable.Repeat(text.Text, times)));
        }

        budget.Items((long)times * size);
        var sequence = (SequenceValue)value;
        return sequence.Create([.. Enumerable.Repeat(sequence.Elements, times).SelectMany(e => e)]);
    }
}
