using PeftNative.Models.Weights;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Peft.Lora;

/// <summary>
/// One low-rank change of a tied embedding and its head, as ensure_weight_tying wants it: the head's A is the
/// embedding's B transposed, its B the embedding's A. As in PEFT either side has gradients and moments of its own, and
/// an optimizer's steps on both add up. Used by one thread at a time.
/// </summary>
internal sealed class TiedPair(IBackend backend, LoraPair embedding, LoraPair head)
{
    private double[] a = [], b = [];

    /// <summary>Gives the head what the embedding has.</summary>
    internal void CopyToHead()
    {
        Store(Values(embedding.A), embedding.A.Rows, head.B.Value);
        Store(Values(embedding.B), embedding.B.Rows, head.A.Value);
    }

    /// <summary>Remembers the values that both sides start a step from.</summary>
    internal void BeforeStep() => (a, b) = (Values(embedding.A), Values(embedding.B));

    /// <summary>Gives both sides the sum of their steps.</summary>
    internal void AfterStep()
    {
        AddStep(embedding.A, a, head.B);
        AddStep(embedding.B, b, head.A);
        CopyToHead();
    }

    private void AddStep(Parameter own, double[] before, Parameter other)
    {
        var (values, turned) = (Values(own), Transpose(Values(other), other.Rows));
        for (var i = 0; i < values.Length; i++) values[i] += turned[i] - before[i];
        HostValues.Upload(backend, values, own.Value);
    }

    private double[] Values(Parameter parameter) => HostValues.DownloadDoubles(backend, parameter.Value);

    private void Store(double[] values, int rows, in Tensor turned) =>
        HostValues.Upload(backend, Transpose(values, rows), turned);

    private static double[] Transpose(double[] values, int rows)
    {
        var columns = values.Length / rows;
        var result = new double[values.Length];
        for (var r = 0; r < rows; r++)
        for (var c = 0; c < columns; c++)
            result[c * rows + r] = values[r * columns + c];
        return result;
    }
}
