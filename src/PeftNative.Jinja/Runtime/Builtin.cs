using System.Numerics;
using PeftNative.Jinja.Values;

namespace PeftNative.Jinja.Runtime;

/// <summary>A function, filter, test or method that a template can use.</summary>
/// <param name="Name">Its name, for error messages.</param>
/// <param name="Parameters">
/// The names of its parameters in order, those after "|" optional; null where it takes its arguments as they come.
/// </param>
/// <param name="Required">How many of them, from the first, must be given.</param>
/// <param name="Body">What it does.</param>
internal sealed record Builtin(string Name, string[]? Parameters, int Required, Func<Invocation, Value> Body)
{
    /// <summary>Describes a function by its parameters, as in <c>"value old new | count"</c>.</summary>
    public static Builtin Of(string name, string parameters, Func<Invocation, Value> body)
    {
        var halves = parameters.Split('|');
        string[] required = halves[0].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        string[] optional = halves.Length > 1 ? halves[1].Split(' ', StringSplitOptions.RemoveEmptyEntries) : [];
        return new Builtin(name, [.. required, .. optional], required.Length, body);
    }

    /// <summary>A function of any arguments.</summary>
    public static Builtin Variadic(string name, Func<Invocation, Value> body) => new(name, null, 0, body);

    public Value Invoke(Interpreter interpreter, Arguments arguments)
    {
        interpreter.Budget.Step();
        foreach (var argument in arguments.Positional)
            if (argument is StringValue text)
                interpreter.Budget.Read(text.Text.Length);
        var result = Body(new Invocation(Name, interpreter, arguments, Parameters is null ? [] : Bind(arguments)));
        if (result is StringValue made) interpreter.Budget.Text(made.Text.Length);
        return result;
    }

    private Value?[] Bind(Arguments arguments)
    {
        var bound = new Value?[Parameters!.Length];
        if (arguments.Positional.Count > bound.Length)
            throw new JinjaException(
                $"{Name}() takes at most {bound.Length} arguments ({arguments.Positional.Count} given)");
        for (var i = 0; i < arguments.Positional.Count; i++) bound[i] = arguments.Positional[i];
        foreach (var (name, value) in arguments.Named)
        {
            var at = Array.IndexOf(Parameters, name);
            if (at < 0) throw new JinjaException($"{Name}() got an unexpected keyword argument '{name}'");
            if (bound[at] is not null) throw new JinjaException($"{Name}() got multiple values for argument '{name}'");
            bound[at] = value;
        }

        for (var i = 0; i < Required; i++)
            if (bound[i] is null)
                throw new JinjaException($"{Name}() missing 1 required positional argument: '{Parameters[i]}'");
        return bound;
    }
}

/// <summary>
/// One call of a <see cref="Builtin"/>: its arguments, and the interpreter that counts and calls back.
/// </summary>
internal sealed class Invocation(string name, Interpreter interpreter, Arguments arguments, Value?[] bound)
{
    public Interpreter Interpreter { get; } = interpreter;

    public Budget Budget => Interpreter.Budget;

    /// <summary>All arguments, for a variadic function.</summary>
    public Arguments All { get; } = arguments;

    /// <summary>The argument of a required parameter.</summary>
    public Value this[int index] => bound[index]!;

    /// <summary>The argument of an optional parameter, or null.</summary>
    public Value? Optional(int index) => bound[index];

    /// <summary>The same, null also for Python's None.</summary>
    public Value? Given(int index) => bound[index] is NoneValue ? null : bound[index];

    /// <summary>An argument as text, whatever its kind.</summary>
    public string Text(int index) => TextBuilder.TextOf(this[index], Budget);

    public string Text(int index, string fallback) =>
        Given(index) is { } value ? TextBuilder.TextOf(value, Budget) : fallback;

    /// <summary>An argument that must be a string.</summary>
    public string String(int index) => bound[index] switch
    {
        StringValue text => text.Text,
        UndefinedValue undefined => throw undefined.Error(),
        var other => throw new JinjaException($"{name}() argument must be str, not {other!.TypeName}"),
    };

    public bool IsTrue(int index, bool fallback = false) => bound[index]?.IsTrue ?? fallback;

    public int Integer(int index, int fallback) => Given(index) is null ? fallback : Integer(index);

    /// <summary>A whole number, clamped to the range of an int: what uses it has smaller limits of its own.</summary>
    public int Integer(int index)
    {
        if (bound[index] is UndefinedValue undefined) throw undefined.Error();
        if (!Operators.IsInteger(bound[index]!, out var number))
            throw new JinjaException($"'{bound[index]!.TypeName}' object cannot be interpreted as an integer");
        return (int)BigInteger.Max(int.MinValue, BigInteger.Min(int.MaxValue, number));
    }

    /// <summary>The items of an argument, each counted.</summary>
    public IEnumerable<Value> Items(int index) => Interpreter.Iterate(this[index]);
}

/// <summary>A builtin as a value: a global function, or a method with the value it belongs to.</summary>
internal sealed class FunctionValue(Builtin builtin, Value? self = null) : Value
{
    public override string TypeName => self is null ? "function" : "builtin_function_or_method";

    public override bool IsCallable => true;

    public override Value Call(Interpreter interpreter, Arguments arguments) =>
        builtin.Invoke(interpreter, self is null ? arguments : arguments.After(self));

    public override void WriteRepr(TextBuilder output) =>
        output.Append(self is null
            ? $"<function {builtin.Name}>"
            : $"<built-in method {builtin.Name} of {self.TypeName} object>");
}
