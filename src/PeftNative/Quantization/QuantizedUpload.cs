using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Quantization;

/// <summary>Takes quantised matrices to a backend.</summary>
internal static class QuantizedUpload
{
    /// <summary>The matrix in memory of an arena.</summary>
    internal static QuantizedWeight ToBackend(IBackend backend, Arena arena, QuantizedMatrix matrix)
    {
        var before = arena.Used;
        if (matrix.Format != BlockFormat.None)
        {
            var blocks = matrix.Blocks!();
            var width = blocks.Length / matrix.Rows;
            Tensor rows;
            var isMapped = backend.ReadsMappedFiles && matrix.AreMapped;
            if (isMapped) rows = Mapped(blocks, matrix.Rows, width);
            else backend.Upload(blocks, rows = arena.Allocate(DType.Int8, matrix.Rows, width));
            return new QuantizedWeight(new DequantizeOp { Codes = rows, Format = matrix.Format }, blocks.Length)
            {
                IsMapped = isMapped,
            };
        }
        var op = new DequantizeOp { Codes = Words(backend, arena, matrix.Codes),
            Book = Values(backend, arena, matrix.Book), BlockSize = matrix.BlockSize, BlockRows = matrix.BlockRows,
            Groups = Integers(backend, arena, matrix.Groups), Zeros = Words(backend, arena, matrix.Zeros) };
        op = matrix.MaximaCodes is not { } codes
            ? op with { Maxima = Values(backend, arena, matrix.Maxima) }
            : op with
            {
                MaximaCodes = Words(backend, arena, codes), MaximaBook = Values(backend, arena, matrix.MaximaBook),
                MaximaScales = Values(backend, arena, matrix.MaximaScales), MaximaOffset = matrix.MaximaOffset,
            };
        return new QuantizedWeight(op, arena.Used - before);
    }

    private static unsafe Tensor Mapped(ReadOnlySpan<byte> blocks, int rows, int width) => new(
        (nint)Unsafe.AsPointer(ref MemoryMarshal.GetReference(blocks)), DType.Int8, rows, width, width);

    private static Tensor Values(IBackend backend, Arena arena, float[] values) =>
        values.Length == 0 ? default
        : HostValues.Upload(backend, values, arena.Allocate(backend.ParameterType, 1, values.Length));

    private static Tensor Words(IBackend backend, Arena arena, byte[] bytes)
    {
        if (bytes.Length == 0) return default;
        var padded = (bytes.Length + sizeof(int) - 1) / sizeof(int) * sizeof(int);
        var tensor = arena.Allocate(DType.Int32, 1, padded / sizeof(int));
        if (padded > bytes.Length) Array.Resize(ref bytes, padded);
        backend.Upload(bytes, tensor);
        return tensor;
    }

    private static Tensor Integers(IBackend backend, Arena arena, int[] values)
    {
        if (values.Length == 0) return default;
        var tensor = arena.Allocate(DType.Int32, 1, values.Length);
        backend.Upload(MemoryMarshal.AsBytes(values.AsSpan()), tensor);
        return tensor;
    }
}
