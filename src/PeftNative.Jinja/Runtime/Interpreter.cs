using PeftNative.Jinja.Library;
using PeftNative.Jinja.Syntax;
using PeftNative.Jinja.Values;

namespace PeftNative.Jinja.Runtime;

/// <summary>
/// Evaluates one template once. This part runs statements and keeps the scopes; <c>Interpreter.Expressions.cs</c>
/// evaluates expressions.
/// </summary>
internal sealed partial class Interpreter
{
    private readonly TextBuilder _root;
    private readonly ValueComparer _comparer;
    private readonly Scope _globals = new(null);
    private readonly Scope _template;
    private TextBuilder _output;
    private Scope _scope;

    public Interpreter(Budget budget, TimeProvider clock)
    {
        Budget = budget;
        Clock = clock;
        _comparer = new ValueComparer(budget);
        _root = _output = new TextBuilder(budget, budget.Limits.Output);
        foreach (var (name, function) in Globals.Functions) _globals.Set(name, new FunctionValue(function));
        _scope = _template = new Scope(_globals);
    }

    private enum Flow
    {
        Next,
        Break,
        Continue,
    }

    public Budget Budget { get; }

    public TimeProvider Clock { get; }

    /// <summary>The line of the statement that runs, for error messages.</summary>
    public int Line { get; private set; }

    /// <summary>Start and end, in the output, of each generation block.</summary>
    public List<(int Start, int End)> GenerationSpans { get; } = [];

    public void Define(string name, Value value) => _globals.Set(name, value);

    public string Render(Block template)
    {
        Run(template);
        return _root.ToString();
    }

    public DictValue NewDict(IEnumerable<KeyValuePair<Value, Value>> entries)
    {
        var dict = new DictValue(_comparer);
        foreach (var (key, value) in entries)
        {
            Budget.Items(2);
            dict.Entries[key] = value;
        }

        return dict;
    }

    /// <summary>The items of a value, each counted; an error where it has none.</summary>
    public IEnumerable<Value> Iterate(Value value)
    {
        var items = value.Items ?? throw new JinjaException($"'{value.TypeName}' object is not iterable");
        return Counted(items);
    }

    private IEnumerable<Value> Counted(IEnumerable<Value> items)
    {
        using var source = items.GetEnumerator();
        while (true)
        {
            // Lazy filters pull from each other: a long chain of them nests as deep as it is long.
            Budget.Enter();
            var hasNext = source.MoveNext();
            Budget.Leave();
            if (!hasNext) yield break;
            Budget.Step();
            yield return source.Current;
        }
    }

    /// <summary>The text a block gives, run in a scope of its own.</summary>
    public string Capture(Block body, Scope scope)
    {
        var output = _output;
        _output = new TextBuilder(Budget);
        RunIn(scope, body);
        var text = _output.ToString();
        _output = output;
        return text;
    }

    public Value EvaluateIn(Scope scope, Expression expression)
    {
        var before = _scope;
        _scope = scope;
        var value = Evaluate(expression);
        _scope = before;
        return value;
    }

    private Flow RunIn(Scope scope, Block body)
    {
        var before = _scope;
        var line = Line;
        _scope = scope;
        Budget.Enter();
        var flow = Run(body);
        Budget.Leave();
        _scope = before;
        Line = line;
        return flow;
    }

    private Flow Run(Block block)
    {
        foreach (var statement in block.Statements)
        {
            Budget.Step();
            Line = statement.Line;
            var flow = Run(statement);
            if (flow != Flow.Next) return flow;
        }

        return Flow.Next;
    }

    private Flow Run(Statement statement)
    {
        switch (statement)
        {
            case TemplateText data: _output.Append(data.Text); break;
            case Print print: Evaluate(print.Value).WriteText(_output); break;
            case Set set: Assign(set.Target, Evaluate(set.Value)); break;
            case If branches: return RunIf(branches);
            case For loop: RunFor(loop, Evaluate(loop.Iterable), 0); break;
            case Break: return Flow.Break;
            case Continue: return Flow.Continue;
            case SetBlock set: RunSetBlock(set); break;
            case Generation generation: RunGeneration(generation); break;
            case Macro macro: _scope.Set(macro.Definition.Name, new MacroValue(macro.Definition, _scope)); break;
            case CallBlock call: RunCall(call); break;
            case FilterBlock block: _output.Append(Filtered(block.Filter, block.Body)); break;
            case With with: return RunWith(with);
            case NamedBlock block: return RunIn(new Scope(block.IsScoped ? _scope : _template), block.Body);
            case Autoescape block: return RunAutoescape(block);
            case LoadTemplate load:
                throw new JinjaException($"'{load.Tag}' needs another template, and a chat template has none.");
            default: throw new InvalidOperationException(statement.GetType().Name);
        }

        return Flow.Next;
    }

    private Flow RunIf(If branches)
    {
        foreach (var (test, body) in branches.Branches)
            if (Evaluate(test).IsTrue)
                return Nested(body);
        return branches.Else is null ? Flow.Next : Nested(branches.Else);
    }

    private Flow Nested(Block body)
    {
        Budget.Enter();
        var flow = Run(body);
        Budget.Leave();
        return flow;
    }

    private void RunFor(For statement, Value iterable, int depth)
    {
        var outer = _scope;
        Func<Value, LoopValue, Value>? recurse =
            statement.IsRecursive ? (items, loop) => Recurse(statement, outer, items, loop) : null;
        var items = Iterate(iterable);
        if (statement.Condition is not null) items = items.Where(item => Holds(statement, outer, item));
        var loop = new LoopValue(items, statement.Condition is null ? iterable.Length : null, depth, recurse);
        // As in the reference, the else block also runs where break or continue cut every round short.
        var anyCompleted = false;
        while (loop.MoveNext(out var item))
        {
            var scope = new Scope(outer);
            Assign(statement.Target, item, scope);
            scope.Set("loop", loop);
            var flow = RunIn(scope, statement.Body);
            if (flow == Flow.Break) break;
            anyCompleted |= flow == Flow.Next;
        }

        if (!anyCompleted && statement.Else is not null) RunIn(new Scope(outer), statement.Else);
    }

    private bool Holds(For statement, Scope outer, Value item)
    {
        var scope = new Scope(outer);
        Assign(statement.Target, item, scope);
        return EvaluateIn(scope, statement.Condition!).IsTrue;
    }

    private StringValue Recurse(For statement, Scope outer, Value items, LoopValue loop)
    {
        var (scope, output) = (_scope, _output);
        (_scope, _output) = (outer, new TextBuilder(Budget));
        Budget.Enter();
        RunFor(statement, items, loop.Depth + 1);
        Budget.Leave();
        var text = _output.ToString();
        (_scope, _output) = (scope, output);
        return new StringValue(text);
    }

    private void RunSetBlock(SetBlock set)
    {
        var value = new StringValue(Capture(set.Body, new Scope(_scope)));
        Assign(set.Target, set.Filter is null ? value : ApplyFilters(set.Filter, value));
    }

    private string Filtered(Filter filter, Block body) =>
        TextBuilder.TextOf(ApplyFilters(filter, new StringValue(Capture(body, new Scope(_scope)))), Budget);

    /// <summary>The place of a span is measured in what the template has given so far, as the reference does.</summary>
    private void RunGeneration(Generation generation)
    {
        var text = Capture(generation.Body, new Scope(_scope));
        GenerationSpans.Add((_root.Length, _root.Length + text.Length));
        _output.Append(text);
    }

    private void RunCall(CallBlock block)
    {
        var caller = new MacroValue(block.Caller, _scope);
        var callee = Evaluate(block.Call.Callee);
        Call(callee, EvaluateArguments(block.Call.Arguments).With("caller", caller)).WriteText(_output);
    }

    private Flow RunWith(With with)
    {
        var scope = new Scope(_scope);
        foreach (var (target, value) in with.Bindings) Assign(target, Evaluate(value), scope);
        return RunIn(scope, with.Body);
    }

    private Flow RunAutoescape(Autoescape block)
    {
        if (Evaluate(block.Enabled).IsTrue)
            throw new JinjaException("autoescape is not supported: chat templates give text, not HTML.");
        return RunIn(new Scope(_scope), block.Body);
    }

    private void Assign(Target target, Value value) => Assign(target, value, _scope);

    private void Assign(Target target, Value value, Scope scope)
    {
        switch (target)
        {
            case NameTarget name:
                scope.Set(name.Identifier, value);
                break;
            case NamespaceTarget reference:
                if (_scope.Find(reference.Namespace) is not NamespaceValue space)
                    throw new JinjaException("cannot assign attribute on non-namespace object");
                Budget.Items(1);
                space.Set(reference.Attribute, value);
                break;
            case TupleTarget tuple:
                Unpack(tuple, value, scope);
                break;
        }
    }

    private void Unpack(TupleTarget target, Value value, Scope scope)
    {
        var values = Iterate(value).Take(target.Items.Count + 1).ToList();
        if (values.Count > target.Items.Count)
            throw new JinjaException($"too many values to unpack (expected {target.Items.Count})");
        if (values.Count < target.Items.Count)
            throw new JinjaException(
                $"not enough values to unpack (expected {target.Items.Count}, got {values.Count})");
        for (var i = 0; i < values.Count; i++) Assign(target.Items[i], values[i], scope);
    }
}
