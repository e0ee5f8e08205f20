using PeftNative.Jinja.Formatting;
using PeftNative.Jinja.Runtime;
using PeftNative.Jinja.Values;

namespace PeftNative.Jinja.Library;

/// <summary>The tests that follow <c>is</c>.</summary>
internal static class Tests
{
    public static Dictionary<string, Builtin> All { get; } = Create();

    private static Dictionary<string, Builtin> Create()
    {
        var tests = PythonMethods.Of(
            Of("defined", v => v is not UndefinedValue),
            Of("undefined", v => v is UndefinedValue),
            Of("none", v => v is NoneValue),
            Of("boolean", v => v is BoolValue),
            Of("true", v => v is BoolValue { IsTrue: true }),
            Of("false", v => v is BoolValue { IsTrue: false }),
            Of("integer", v => v is IntValue),
            Of("float", v => v is FloatValue),
            Of("number", v => v is IntValue or FloatValue or BoolValue),
            Of("string", v => v is StringValue),
            Of("mapping", v => v is DictValue),
            Of("sequence", v => v.IsSequence),
            Of("iterable", v => v.Items is not null || v is LoopValue),
            Of("callable", v => v.IsCallable),
            Of("escaped", v => v is StringValue { IsMarkup: true }),
            Builtin.Of("lower", "value", c => BoolValue.Of(LetterCase.IsAll(c.Text(0), upper: false))),
            Builtin.Of("upper", "value", c => BoolValue.Of(LetterCase.IsAll(c.Text(0), upper: true))),
            Builtin.Of("filter", "name", c => BoolValue.Of(c[0] is StringValue s && Filters.All.ContainsKey(s.Text))),
            Builtin.Of("test", "name", c => BoolValue.Of(c[0] is StringValue s && All!.ContainsKey(s.Text))),
            Builtin.Of("odd", "value", c => BoolValue.Of(HasRemainder(c, new IntValue(2), 1))),
            Builtin.Of("even", "value", c => BoolValue.Of(HasRemainder(c, new IntValue(2), 0))),
            Builtin.Of("divisibleby", "value num", c => BoolValue.Of(HasRemainder(c, c[1], 0))),
            Builtin.Of("sameas", "value other", c => BoolValue.Of(IsSame(c[0], c[1], c.Budget))),
            Builtin.Of("in", "value seq", c => BoolValue.Of(Operators.Contains(c[1], c[0], c.Budget))),
            Builtin.Of("eq", "a b", c => BoolValue.Of(Operators.AreEqual(c[0], c[1], c.Budget))),
            Builtin.Of("ne", "a b", c => BoolValue.Of(!Operators.AreEqual(c[0], c[1], c.Budget))),
            Ordered("lt", "<"),
            Ordered("le", "<="),
            Ordered("gt", ">"),
            Ordered("ge", ">="));
        (string, string)[] aliases =
        [
            ("equalto", "eq"), ("==", "eq"), ("!=", "ne"), ("<", "lt"), ("lessthan", "lt"), ("<=", "le"), (">", "gt"),
            ("greaterthan", "gt"), (">=", "ge"),
        ];
        foreach (var (alias, name) in aliases) tests[alias] = tests[name];
        return tests;
    }

    private static Builtin Of(string name, Func<Value, bool> holds) =>
        Builtin.Of(name, "value", c => BoolValue.Of(holds(c[0])));

    private static Builtin Ordered(string name, string symbol) =>
        Builtin.Of(name, "a b", c => BoolValue.Of(Operators.IsOrdered(c[0], symbol, c[1], c.Budget)));

    private static bool HasRemainder(Invocation call, Value divisor, int remainder) =>
        Operators.AreEqual(Arithmetic.Apply("%", call[0], divisor, call.Budget), new IntValue(remainder), call.Budget);

    /// <summary>Identity; constants that Python keeps once are the same where they are equal.</summary>
    private static bool IsSame(Value left, Value right, Budget budget) => ReferenceEquals(left, right)
        || (left is IntValue or StringValue or FloatValue && left.GetType() == right.GetType()
            && Operators.AreEqual(left, right, budget));
}
