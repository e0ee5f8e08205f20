using PeftNative.Jinja.Runtime;

namespace PeftNative.Jinja.Values;

/// <summary>
/// A value of a template, with the behaviour of its Python counterpart. The hierarchy is closed: a template reaches
/// nothing but these, and each lists its own attributes, so that there is no way from a template to an object of .NET.
/// </summary>
internal abstract class Value
{
    /// <summary>The name of the Python type, as error messages show it.</summary>
    public abstract string TypeName { get; }

    public virtual bool IsTrue => true;

    /// <summary>What <c>len</c> gives; null where the value has no length.</summary>
    public virtual int? Length => null;

    /// <summary>The items a loop sees; null where the value cannot be iterated.</summary>
    public virtual IEnumerable<Value>? Items => null;

    /// <summary>The items from the last to the first; null where Python's <c>reversed</c> refuses.</summary>
    public virtual IEnumerable<Value>? ItemsReversed => null;

    /// <summary>Whether the value can be the key of a dict.</summary>
    public virtual bool IsHashable => true;

    public virtual bool IsCallable => false;

    /// <summary>Whether <c>is sequence</c> holds: there is a length and items by index or key.</summary>
    public virtual bool IsSequence => false;

    /// <summary><c>value[key]</c>; null where there is no such item or the value has none at all.</summary>
    public virtual Value? Index(Value key) => null;

    /// <summary><c>value[start:stop:step]</c>.</summary>
    public virtual Value Slice(SliceBounds bounds, Budget budget) =>
        throw new JinjaException($"'{TypeName}' object is not subscriptable");

    /// <summary>A method or property; null where there is none of that name.</summary>
    public virtual Value? Attribute(string name) => null;

    public virtual Value Call(Interpreter interpreter, Arguments arguments) =>
        throw new JinjaException($"'{TypeName}' object is not callable");

    /// <summary>Writes what Python's <c>repr</c> gives.</summary>
    public abstract void WriteRepr(TextBuilder output);

    /// <summary>Writes what Python's <c>str</c> gives, which is what a template prints.</summary>
    public virtual void WriteText(TextBuilder output) => WriteRepr(output);
}

/// <summary>Python's None.</summary>
internal sealed class NoneValue : Value
{
    private NoneValue()
    {
    }

    public static NoneValue Instance { get; } = new();

    public override string TypeName => "NoneType";

    public override bool IsTrue => false;

    public override void WriteRepr(TextBuilder output) => output.Append("None");
}

/// <summary>
/// The value of a name or attribute that does not exist. Printing it gives nothing and looping over it does nothing;
/// any other use is an error that tells what was missing.
/// </summary>
internal sealed class UndefinedValue(string message) : Value
{
    public string Message { get; } = message;

    public override string TypeName => "Undefined";

    public override bool IsTrue => false;

    public override int? Length => 0;

    public override bool IsCallable => true;

    public override bool IsSequence => true;

    public override IEnumerable<Value> Items => [];

    public override IEnumerable<Value> ItemsReversed => [];

    public static UndefinedValue OfName(string name) => new($"'{name}' is undefined");

    public static UndefinedValue OfAttribute(Value owner, string name) =>
        new($"'{Describe(owner)}' has no attribute '{name}'");

    public static UndefinedValue OfItem(Value owner, string key) => new($"{Describe(owner)} has no element {key}");

    /// <summary>An attribute that exists in Python but that a template may not touch.</summary>
    public static UndefinedValue Unsafe(Value owner, string name) =>
        new($"access to attribute '{name}' of '{owner.TypeName}' object is unsafe.");

    public JinjaException Error() => new(Message);

    public override Value Slice(SliceBounds bounds, Budget budget) => throw Error();

    public override Value Call(Interpreter interpreter, Arguments arguments) => throw Error();

    public override void WriteRepr(TextBuilder output) => output.Append("Undefined");

    public override void WriteText(TextBuilder output)
    {
    }

    private static string Describe(Value owner) => owner is NoneValue ? "None" : $"{owner.TypeName} object";
}
