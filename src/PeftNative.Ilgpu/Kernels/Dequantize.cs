using ILGPU;
using PeftNative.Ilgpu.Kernels.Common;

namespace PeftNative.Ilgpu.Kernels;

internal struct DequantizeArguments
{
    public ArrayView<int> Codes, MaximaCodes;                  // bytes, four to a word
    public Matrix Book, Maxima, MaximaBook, MaximaScales, Y;
    public float MaximaOffset;
    public int BlockSize;
}

internal static class DequantizeKernels
{
    /// <summary>Y = the value of a code times the maximum of its block; a thread per element.</summary>
    public static void Forward(Index1D index, DequantizeArguments a)
    {
        int element = index;
        a.Y.Set(element / a.Y.Columns, element % a.Y.Columns, Value(a, element) * Maximum(a, element / a.BlockSize));
    }

    private static float Value(in DequantizeArguments a, int element)
    {
        if (!a.Book.IsPresent) return (Byte(a.Codes, element) << 24 >> 24) * (1f / 127); // a signed byte
        var pair = Byte(a.Codes, element / 2);
        return a.Book[0, element % 2 == 0 ? pair >> 4 : pair & 15];
    }

    private static float Maximum(in DequantizeArguments a, int block) => a.Maxima.IsPresent ? a.Maxima[0, block]
        : a.MaximaBook[0, Byte(a.MaximaCodes, block)] * a.MaximaScales[0, block / 256] + a.MaximaOffset;

    private static int Byte(ArrayView<int> words, int index) => (words[index / 4] >> (index % 4 * 8)) & 255;
}
