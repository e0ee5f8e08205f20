using PeftNative.Jinja.Values;

namespace PeftNative.Jinja.Runtime;

/// <summary>
/// The <c>loop</c> of a for block. It takes items from a lazy source and looks one ahead only where the template asks
/// for it, so that a filtered loop sees what its own body changed, as in the reference.
/// </summary>
internal sealed class LoopValue : Value
{
    private readonly Func<Value, LoopValue, Value>? _recurse;
    private readonly int? _knownLength;
    private readonly int _depth;
    private IEnumerator<Value> _source;
    private int? _length;
    private Value? _ahead;
    private Value? _current;
    private Value? _previous;
    private int _index = -1;
    private Value? _changed;

    public LoopValue(IEnumerable<Value> items, int? length, int depth, Func<Value, LoopValue, Value>? recurse) =>
        (_source, _knownLength, _depth, _recurse) = (items.GetEnumerator(), length, depth, recurse);

    public override string TypeName => "LoopContext";

    public override bool IsCallable => true;

    public override int? Length => CountAll();

    public int Depth => _depth;

    public bool MoveNext(out Value item)
    {
        item = Peek()!;
        _ahead = null;
        if (item is null) return false;
        _index++;
        _previous = _current;
        _current = item;
        return true;
    }

    public override Value? Attribute(string name) => name switch
    {
        "index" => new IntValue(_index + 1),
        "index0" => new IntValue(_index),
        "revindex" => new IntValue(CountAll() - _index),
        "revindex0" => new IntValue(CountAll() - _index - 1),
        "first" => BoolValue.Of(_index == 0),
        "last" => BoolValue.Of(Peek() is null),
        "length" => new IntValue(CountAll()),
        "previtem" => _index == 0 ? new UndefinedValue("there is no previous item") : _previous,
        "nextitem" => Peek() ?? new UndefinedValue("there is no next item"),
        "depth" => new IntValue(_depth + 1),
        "depth0" => new IntValue(_depth),
        "cycle" => new FunctionValue(Builtin.Variadic("cycle", Cycle)),
        "changed" => new FunctionValue(Builtin.Variadic("changed", Changed)),
        _ => null,
    };

    public override Value Call(Interpreter interpreter, Arguments arguments)
    {
        if (_recurse is null)
            throw new JinjaException("The loop must have the 'recursive' marker to be called recursively.");
        return arguments.Positional.Count == 1
            ? _recurse(arguments.Positional[0], this)
            : throw new JinjaException("loop() takes 1 argument");
    }

    public override void WriteRepr(TextBuilder output) => output.Append($"<LoopContext {_index + 1}/{CountAll()}>");

    private Value? Peek() => _ahead ??= _source.MoveNext() ? _source.Current : null;

    private int CountAll()
    {
        if (_knownLength is { } known) return known;
        if (_length is { } counted) return counted;
        List<Value> rest = [];
        while (_source.MoveNext()) rest.Add(_source.Current);
        _source = rest.AsEnumerable().GetEnumerator();
        _length = rest.Count + _index + 1 + (_ahead is null ? 0 : 1);
        return _length.Value;
    }

    private Value Cycle(Invocation call) => call.All.Positional.Count == 0
        ? throw new JinjaException("no items for cycling given")
        : call.All.Positional[_index % call.All.Positional.Count];

    private BoolValue Changed(Invocation call)
    {
        var value = new TupleValue(call.All.Positional);
        if (_changed is not null && Operators.AreEqual(_changed, value, call.Budget)) return BoolValue.False;
        _changed = value;
        return BoolValue.True;
    }
}
