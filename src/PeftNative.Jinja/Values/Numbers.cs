using System.Numerics;
using PeftNative.Jinja.Formatting;
using PeftNative.Jinja.Library;

namespace PeftNative.Jinja.Values;

/// <summary>Python's bool, which is also the number 0 or 1.</summary>
internal sealed class BoolValue : Value
{
    private BoolValue(bool value) => IsTrue = value;

    public static BoolValue True { get; } = new(true);

    public static BoolValue False { get; } = new(false);

    public override string TypeName => "bool";

    public override bool IsTrue { get; }

    public static BoolValue Of(bool value) => value ? True : False;

    public override Value? Attribute(string name) => NumberMethods.Find(this, name);

    public override void WriteRepr(TextBuilder output) => output.Append(IsTrue ? "True" : "False");
}

/// <summary>Python's int, of any size within the limits.</summary>
internal sealed class IntValue(BigInteger number) : Value
{
    public BigInteger Number { get; } = number;

    public override string TypeName => "int";

    public override bool IsTrue => !Number.IsZero;

    public override Value? Attribute(string name) => NumberMethods.Find(this, name);

    public override void WriteRepr(TextBuilder output) => output.Append(Number.ToString());
}

/// <summary>Python's float.</summary>
internal sealed class FloatValue(double number) : Value
{
    public double Number { get; } = number;

    public override string TypeName => "float";

    public override bool IsTrue => Number != 0;

    public override Value? Attribute(string name) => NumberMethods.Find(this, name);

    public override void WriteRepr(TextBuilder output) => output.Append(FloatText.Repr(Number));
}
