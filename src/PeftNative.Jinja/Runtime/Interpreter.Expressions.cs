using System.Numerics;
using PeftNative.Jinja.Library;
using PeftNative.Jinja.Syntax;
using PeftNative.Jinja.Values;

namespace PeftNative.Jinja.Runtime;

/// <content>Evaluates expressions.</content>
internal sealed partial class Interpreter
{
    public Value Evaluate(Expression expression)
    {
        Budget.Step();
        switch (expression)
        {
            case Literal literal: return literal.Value;
            case Name name: return _scope.Find(name.Identifier) ?? UndefinedValue.OfName(name.Identifier);
        }

        Budget.Enter();
        var value = EvaluateNested(expression);
        Budget.Leave();
        return value;
    }

    private Value EvaluateNested(Expression expression) => expression switch
    {
        Syntax.Attribute attribute => Operators.GetAttribute(Evaluate(attribute.Target), attribute.Name),
        Item item => Operators.GetItem(Evaluate(item.Target), Evaluate(item.Key), Budget),
        Syntax.Comparison comparison => BoolValue.Of(Compare(comparison)),
        Concatenation concatenation => Concatenate(concatenation),
        Binary binary => Arithmetic.Apply(binary.Operator, Evaluate(binary.Left), Evaluate(binary.Right), Budget),
        And and => Evaluate(and.Left) is { IsTrue: false } left ? left : Evaluate(and.Right),
        Or or => Evaluate(or.Left) is { IsTrue: true } left ? left : Evaluate(or.Right),
        Not not => BoolValue.Of(!Evaluate(not.Operand).IsTrue),
        Filter filter => ApplyFilter(filter.Name, Evaluate(filter.Input!), EvaluateArguments(filter.Arguments)),
        Test test => BoolValue.Of(ApplyTest(test.Name, Evaluate(test.Input), EvaluateArguments(test.Arguments))),
        Syntax.Call call => Call(Evaluate(call.Callee), EvaluateArguments(call.Arguments)),
        Conditional conditional => Choose(conditional),
        Slice slice => EvaluateSlice(slice),
        Unary unary => Arithmetic.Sign(unary.Operator, Evaluate(unary.Operand)),
        ListDisplay list => new ListValue(EvaluateAll(list.Items)),
        TupleDisplay tuple => new TupleValue(EvaluateAll(tuple.Items)),
        DictDisplay dict =>
            NewDict(dict.Pairs.Select(p => new KeyValuePair<Value, Value>(Evaluate(p.Key), Evaluate(p.Value)))),
        _ => throw new InvalidOperationException(expression.GetType().Name),
    };

    public Value Call(Value callee, Arguments arguments)
    {
        Budget.Step();
        return callee.Call(this, arguments);
    }

    public Value ApplyFilter(string name, Value input, Arguments arguments) =>
        Filters.All.TryGetValue(name, out var filter)
            ? filter.Invoke(this, arguments.After(input))
            : throw new JinjaException($"No filter named '{name}'.");

    public bool ApplyTest(string name, Value input, Arguments arguments) =>
        Tests.All.TryGetValue(name, out var test)
            ? test.Invoke(this, arguments.After(input)).IsTrue
            : throw new JinjaException($"No test named '{name}'.");

    /// <summary>A chain of filters whose innermost has no input of its own.</summary>
    private Value ApplyFilters(Filter filter, Value input)
    {
        Budget.Enter();
        if (filter.Input is Filter inner) input = ApplyFilters(inner, input);
        Budget.Leave();
        return ApplyFilter(filter.Name, input, EvaluateArguments(filter.Arguments));
    }

    private Value[] EvaluateAll(IReadOnlyList<Expression> expressions)
    {
        Budget.Items(expressions.Count);
        var values = new Value[expressions.Count];
        for (var i = 0; i < values.Length; i++) values[i] = Evaluate(expressions[i]);
        return values;
    }

    private Arguments EvaluateArguments(ArgumentList list)
    {
        if (ReferenceEquals(list, ArgumentList.None)) return Arguments.None;
        List<Value> positional = [.. EvaluateAll(list.Positional)];
        List<KeyValuePair<string, Value>> named = [];
        foreach (var (name, value) in list.Named) named.Add(new(name, Evaluate(value)));
        if (list.Star is not null) AddStar(positional, Evaluate(list.Star));
        if (list.DoubleStar is not null) AddDoubleStar(named, Evaluate(list.DoubleStar));
        return new Arguments(positional, named);
    }

    private void AddStar(List<Value> positional, Value values)
    {
        foreach (var value in Iterate(values))
        {
            Budget.Items(1);
            positional.Add(value);
        }
    }

    private void AddDoubleStar(List<KeyValuePair<string, Value>> named, Value values)
    {
        if (values is not DictValue dict)
            throw new JinjaException($"argument after ** must be a mapping, not {values.TypeName}");
        var taken = named.Select(n => n.Key).ToHashSet();
        foreach (var (key, value) in dict.Entries)
        {
            Budget.Items(1);
            if (key is not StringValue name) throw new JinjaException("keywords must be strings");
            if (!taken.Add(name.Text))
                throw new JinjaException($"got multiple values for keyword argument '{name.Text}'");
            named.Add(new(name.Text, value));
        }
    }

    private bool Compare(Syntax.Comparison comparison)
    {
        var left = Evaluate(comparison.First);
        foreach (var (symbol, operand) in comparison.Rest)
        {
            var right = Evaluate(operand);
            if (!Holds(left, symbol, right)) return false;
            left = right;
        }

        return true;
    }

    private bool Holds(Value left, string symbol, Value right) => symbol switch
    {
        "==" => Operators.AreEqual(left, right, Budget),
        "!=" => !Operators.AreEqual(left, right, Budget),
        "in" => Operators.Contains(right, left, Budget),
        "not in" => !Operators.Contains(right, left, Budget),
        _ => Operators.IsOrdered(left, symbol, right, Budget),
    };

    private StringValue Concatenate(Concatenation concatenation)
    {
        var output = new TextBuilder(Budget);
        foreach (var part in concatenation.Parts) Evaluate(part).WriteText(output);
        return new StringValue(output.ToString());
    }

    private Value Choose(Conditional conditional)
    {
        if (Evaluate(conditional.Test).IsTrue) return Evaluate(conditional.Then);
        return conditional.Else is null
            ? new UndefinedValue("the inline if-expression evaluated to false and no else section was defined.")
            : Evaluate(conditional.Else);
    }

    private Value EvaluateSlice(Slice slice)
    {
        var target = Evaluate(slice.Target);
        return target.Slice(new SliceBounds(Bound(slice.Start), Bound(slice.Stop), Bound(slice.Step)), Budget);
    }

    private BigInteger? Bound(Expression? expression)
    {
        if (expression is null) return null;
        var value = Evaluate(expression);
        if (value is NoneValue) return null;
        return Operators.IsInteger(value, out var number)
            ? number
            : throw new JinjaException("slice indices must be integers or None or have an __index__ method");
    }
}
