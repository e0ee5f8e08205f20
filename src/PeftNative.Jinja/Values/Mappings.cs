using PeftNative.Jinja.Library;

namespace PeftNative.Jinja.Values;

/// <summary>Python's dict, in the order of insertion. Filled by who makes it; a template cannot change it.</summary>
internal sealed class DictValue(ValueComparer comparer) : Value
{
    public OrderedDictionary<Value, Value> Entries { get; } = new(comparer);

    public override string TypeName => "dict";

    public override bool IsTrue => Entries.Count > 0;

    public override bool IsHashable => false;

    public override bool IsSequence => true;

    public override int? Length => Entries.Count;

    public override IEnumerable<Value> Items => Entries.Keys;

    public override IEnumerable<Value> ItemsReversed => Entries.Keys.Reverse();

    public override Value? Index(Value key) =>
        comparer.CanBeKey(key) && Entries.TryGetValue(key, out var value) ? value : null;

    public override Value Slice(SliceBounds bounds, Budget budget) =>
        throw new JinjaException("unhashable type: 'slice'");

    public override Value? Attribute(string name) => DictMethods.Find(this, name);

    public override void WriteRepr(TextBuilder output)
    {
        output.Budget.Enter();
        output.Append("{");
        var isFirst = true;
        foreach (var (key, value) in Entries)
        {
            output.Budget.Step();
            if (!isFirst) output.Append(", ");
            isFirst = false;
            key.WriteRepr(output);
            output.Append(": ");
            value.WriteRepr(output);
        }

        output.Append("}");
        output.Budget.Leave();
    }
}

/// <summary>What <c>keys()</c>, <c>values()</c> and <c>items()</c> of a dict give.</summary>
internal sealed class DictViewValue(string typeName, IReadOnlyList<Value> elements) : Value
{
    public override string TypeName => typeName;

    public override bool IsTrue => elements.Count > 0;

    public override bool IsHashable => false;

    public override int? Length => elements.Count;

    public override IEnumerable<Value> Items => elements;

    public override IEnumerable<Value> ItemsReversed => elements.Reverse();

    public override void WriteRepr(TextBuilder output)
    {
        output.Append(typeName + "(");
        new ListValue(elements).WriteRepr(output);
        output.Append(")");
    }
}

/// <summary>A <c>namespace()</c>: the one thing whose attributes a template may set.</summary>
internal sealed class NamespaceValue(DictValue attributes) : Value
{
    public override string TypeName => "Namespace";

    public override Value? Attribute(string name) => attributes.Index(new StringValue(name));

    public void Set(string name, Value value) => attributes.Entries[new StringValue(name)] = value;

    public override void WriteRepr(TextBuilder output)
    {
        output.Append("<Namespace ");
        attributes.WriteRepr(output);
        output.Append(">");
    }
}
