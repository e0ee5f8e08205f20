using PeftNative.Jinja.Values;

namespace PeftNative.Jinja.Syntax;

/// <summary>An expression.</summary>
internal abstract record Expression;

internal sealed record Literal(Value Value) : Expression;

internal sealed record Name(string Identifier) : Expression;

internal sealed record ListDisplay(IReadOnlyList<Expression> Items) : Expression;

internal sealed record TupleDisplay(IReadOnlyList<Expression> Items) : Expression;

internal sealed record DictDisplay(IReadOnlyList<(Expression Key, Expression Value)> Pairs) : Expression;

internal sealed record Unary(char Operator, Expression Operand) : Expression;

internal sealed record Binary(string Operator, Expression Left, Expression Right) : Expression;

/// <summary><c>a ~ b ~ c</c>: the texts of the values, joined.</summary>
internal sealed record Concatenation(IReadOnlyList<Expression> Parts) : Expression;

/// <summary><c>a &lt; b &lt;= c</c>: a chain, each operand evaluated once.</summary>
internal sealed record Comparison(Expression First, IReadOnlyList<(string Operator, Expression Operand)> Rest)
    : Expression;

internal sealed record And(Expression Left, Expression Right) : Expression;

internal sealed record Or(Expression Left, Expression Right) : Expression;

internal sealed record Not(Expression Operand) : Expression;

internal sealed record Conditional(Expression Test, Expression Then, Expression? Else) : Expression;

internal sealed record Attribute(Expression Target, string Name) : Expression;

internal sealed record Item(Expression Target, Expression Key) : Expression;

internal sealed record Slice(Expression Target, Expression? Start, Expression? Stop, Expression? Step) : Expression;

internal sealed record Call(Expression Callee, ArgumentList Arguments) : Expression;

/// <summary>
/// A filter; without an input in a filter block or a filtered set block, where the body's text is the input.
/// </summary>
internal sealed record Filter(Expression? Input, string Name, ArgumentList Arguments) : Expression;

internal sealed record Test(Expression Input, string Name, ArgumentList Arguments) : Expression;

/// <summary>The arguments of a call as written, <c>*args</c> and <c>**kwargs</c> included.</summary>
internal sealed record ArgumentList(
    IReadOnlyList<Expression> Positional, IReadOnlyList<(string Name, Expression Value)> Named, Expression? Star,
    Expression? DoubleStar)
{
    public static ArgumentList None { get; } = new([], [], null, null);
}

/// <summary>What a <c>set</c> or a <c>for</c> assigns to.</summary>
internal abstract record Target;

internal sealed record NameTarget(string Identifier) : Target;

internal sealed record NamespaceTarget(string Namespace, string Attribute) : Target;

internal sealed record TupleTarget(IReadOnlyList<Target> Items) : Target;

/// <summary>A statement; <see cref="Line"/> is where it begins.</summary>
internal abstract record Statement(int Line);

internal sealed record TemplateText(int Line, string Text) : Statement(Line);

internal sealed record Print(int Line, Expression Value) : Statement(Line);

internal sealed record For(
    int Line, Target Target, Expression Iterable, Expression? Condition, bool IsRecursive, Block Body, Block? Else)
    : Statement(Line);

internal sealed record If(int Line, IReadOnlyList<(Expression Test, Block Body)> Branches, Block? Else)
    : Statement(Line);

internal sealed record Set(int Line, Target Target, Expression Value) : Statement(Line);

internal sealed record SetBlock(int Line, Target Target, Filter? Filter, Block Body) : Statement(Line);

internal sealed record Macro(int Line, MacroDefinition Definition) : Statement(Line);

internal sealed record CallBlock(int Line, Call Call, MacroDefinition Caller) : Statement(Line);

internal sealed record FilterBlock(int Line, Filter Filter, Block Body) : Statement(Line);

internal sealed record With(int Line, IReadOnlyList<(Target Target, Expression Value)> Bindings, Block Body)
    : Statement(Line);

internal sealed record NamedBlock(int Line, bool IsScoped, Block Body) : Statement(Line);

internal sealed record Autoescape(int Line, Expression Enabled, Block Body) : Statement(Line);

/// <summary><c>{% generation %}</c>: the text of the assistant, to be learnt in training.</summary>
internal sealed record Generation(int Line, Block Body) : Statement(Line);

internal sealed record Break(int Line) : Statement(Line);

internal sealed record Continue(int Line) : Statement(Line);

/// <summary>
/// include, import, from and extends: there is no other template to load, which is an error only where it is reached.
/// </summary>
internal sealed record LoadTemplate(int Line, string Tag) : Statement(Line);

internal sealed record Block(IReadOnlyList<Statement> Statements);

/// <summary>A macro, or the body of a call block (its caller).</summary>
/// <param name="Name">Its name.</param>
/// <param name="Parameters">Its parameters, with the expression of their default where they have one.</param>
/// <param name="Body">Its body.</param>
/// <param name="TakesVarargs">Whether the body uses <c>varargs</c>, and so takes more arguments than it names.</param>
/// <param name="TakesKwargs">The same for <c>kwargs</c>.</param>
/// <param name="TakesCaller">Whether the body uses <c>caller</c>, and so may be used in a call block.</param>
internal sealed record MacroDefinition(
    string Name, IReadOnlyList<(string Name, Expression? Default)> Parameters, Block Body, bool TakesVarargs,
    bool TakesKwargs, bool TakesCaller);
