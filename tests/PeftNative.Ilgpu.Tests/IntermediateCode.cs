using System.Reflection;
using System.Reflection.Emit;

namespace PeftNative.Ilgpu.Tests;

/// <summary>One instruction of a method; the operand is the token or the number as it stands, 0 for none.</summary>
internal readonly record struct Instruction(OpCode Code, long Operand);

/// <summary>The instructions of a method, as ECMA-335 partition III lays them out.</summary>
internal static class IntermediateCode
{
    private const byte TwoBytes = 0xFE;

    private static readonly Dictionary<short, OpCode> Codes = typeof(OpCodes)
        .GetFields(BindingFlags.Public | BindingFlags.Static).Select(f => (OpCode)f.GetValue(null)!)
        .ToDictionary(c => c.Value);

    public static IReadOnlyList<Instruction> Of(MethodBase method)
    {
        var bytes = method.GetMethodBody()?.GetILAsByteArray() ?? [];
        List<Instruction> found = [];
        for (var at = 0; at < bytes.Length;)
        {
            var code = Codes[bytes[at] == TwoBytes ? (short)(TwoBytes << 8 | bytes[at + 1]) : bytes[at]];
            at += code.Size;
            var size = OperandSize(code, bytes, at);
            found.Add(new(code, size is > 0 and <= sizeof(long) ? Number(bytes.AsSpan(at, size)) : 0));
            at += size;
        }
        return found;
    }

    private static int OperandSize(OpCode code, byte[] bytes, int at) => code.OperandType switch
    {
        OperandType.InlineNone => 0,
        OperandType.ShortInlineBrTarget or OperandType.ShortInlineI or OperandType.ShortInlineVar => 1,
        OperandType.InlineVar => 2,
        OperandType.InlineI8 or OperandType.InlineR => 8,
        OperandType.InlineSwitch => 4 + 4 * BitConverter.ToInt32(bytes, at),
        _ => 4,
    };

    private static long Number(ReadOnlySpan<byte> bytes)
    {
        var number = 0L;
        for (var i = bytes.Length - 1; i >= 0; i--) number = number << 8 | bytes[i];
        return number;
    }
}
