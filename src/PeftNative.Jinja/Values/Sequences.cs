using PeftNative.Jinja.Library;

namespace PeftNative.Jinja.Values;

/// <summary>What lists and tuples share.</summary>
internal abstract class SequenceValue(IReadOnlyList<Value> elements) : Value
{
    public IReadOnlyList<Value> Elements { get; } = elements;

    public override bool IsTrue => Elements.Count > 0;

    public override bool IsSequence => true;

    public override int? Length => Elements.Count;

    public override IEnumerable<Value> Items => Elements;

    public override IEnumerable<Value> ItemsReversed
    {
        get
        {
            for (var i = Elements.Count - 1; i >= 0; i--) yield return Elements[i];
        }
    }

    public override Value? Index(Value key)
    {
        if (!Operators.IsInteger(key, out var number)) return null;
        var index = number < 0 ? number + Elements.Count : number;
        return index < 0 || index >= Elements.Count ? null : Elements[(int)index];
    }

    public override Value Slice(SliceBounds bounds, Budget budget)
    {
        var (start, step, count) = bounds.Resolve(Elements.Count);
        budget.Items(count);
        var part = new Value[count];
        for (var i = 0; i < count; i++) part[i] = Elements[start + (i * step)];
        return Create(part);
    }

    public abstract SequenceValue Create(IReadOnlyList<Value> elements);

    protected void WriteElements(TextBuilder output)
    {
        output.Budget.Enter();
        for (var i = 0; i < Elements.Count; i++)
        {
            output.Budget.Step();
            if (i > 0) output.Append(", ");
            Elements[i].WriteRepr(output);
        }

        output.Budget.Leave();
    }
}

/// <summary>Python's list. The sandbox of the reference lets no template change one, so it is immutable here.</summary>
internal sealed class ListValue(IReadOnlyList<Value> elements) : SequenceValue(elements)
{
    public override string TypeName => "list";

    public override bool IsHashable => false;

    public override SequenceValue Create(IReadOnlyList<Value> elements) => new ListValue(elements);

    public override Value? Attribute(string name) => SequenceMethods.Find(this, name);

    public override void WriteRepr(TextBuilder output)
    {
        output.Append("[");
        WriteElements(output);
        output.Append("]");
    }
}

/// <summary>Python's tuple.</summary>
internal class TupleValue(IReadOnlyList<Value> elements) : SequenceValue(elements)
{
    public override string TypeName => "tuple";

    public override SequenceValue Create(IReadOnlyList<Value> elements) => new TupleValue(elements);

    public override Value? Attribute(string name) => SequenceMethods.Find(this, name);

    public override void WriteRepr(TextBuilder output)
    {
        output.Append("(");
        WriteElements(output);
        output.Append(Elements.Count == 1 ? ",)" : ")");
    }
}

/// <summary>A group of the <c>groupby</c> filter: a tuple whose two items also have names.</summary>
internal sealed class GroupValue(Value grouper, ListValue list) : TupleValue([grouper, list])
{
    public override Value? Attribute(string name) => name switch
    {
        "grouper" => Elements[0],
        "list" => Elements[1],
        _ => base.Attribute(name),
    };
}

/// <summary>Python's range: numbers that are not stored.</summary>
internal sealed class RangeValue(long start, long stop, long step, int count) : Value
{
    public override string TypeName => "range";

    public override bool IsTrue => count > 0;

    public override bool IsSequence => true;

    public override int? Length => count;

    public override IEnumerable<Value> Items => Enumerable.Range(0, count).Select(At);

    public override IEnumerable<Value> ItemsReversed => Enumerable.Range(0, count).Select(i => At(count - 1 - i));

    public override Value? Index(Value key)
    {
        if (!Operators.IsInteger(key, out var number)) return null;
        var index = number < 0 ? number + count : number;
        return index < 0 || index >= count ? null : At((int)index);
    }

    public override Value Slice(SliceBounds bounds, Budget budget)
    {
        var part = bounds.Resolve(count);
        var first = start + (part.Start * step);
        return new RangeValue(first, first + (part.Count * step * part.Step), step * part.Step, part.Count);
    }

    public override void WriteRepr(TextBuilder output)
    {
        output.Append($"range({start}, {stop}");
        output.Append(step == 1 ? ")" : $", {step})");
    }

    public override Value? Attribute(string name) => name switch
    {
        "start" => new IntValue(start),
        "stop" => new IntValue(stop),
        "step" => new IntValue(step),
        _ => null,
    };

    private IntValue At(int index) => new(start + (index * step));
}

/// <summary>What a lazy filter gives (map, select, ...): items that can be taken once.</summary>
internal sealed class GeneratorValue(IEnumerable<Value> items, string typeName = "generator") : Value
{
    private readonly IEnumerator<Value> _items = items.GetEnumerator();

    public override string TypeName => typeName;

    public override IEnumerable<Value> Items
    {
        get
        {
            while (_items.MoveNext()) yield return _items.Current;
        }
    }

    public override void WriteRepr(TextBuilder output) => output.Append($"<{typeName} object>");
}
