using PeftNative.Tensors;

namespace PeftNative.Ops;

/// <summary>
/// Executes operation records on one kind of hardware. A backend may run a fused record in one kernel or in several;
/// the result must be that of the formula in the record's documentation. Gradient operands say themselves whether they
/// are added to (<c>+=</c>) or overwritten (<c>=</c>); absent gradients are not computed. Results do not depend on the
/// number of threads. A backend is used by one thread at a time; several may exist side by side.
/// </summary>
public interface IBackend : IDisposable
{
    /// <summary>The name on the command line: reference, cpu, cuda, ...</summary>
    string Name { get; }

    /// <summary>One line for people: processor or device, instruction set, threads.</summary>
    string Description { get; }

    /// <summary>
    /// The element type of activations, their gradients, frozen matrices and scores. Sums are always made in fp32 or
    /// fp64. All activation operands of one record share one type: this one or <see cref="ParameterType"/>. Matrices of
    /// weights carry their own.
    /// </summary>
    DType ComputeType { get; }

    /// <summary>
    /// The element type of everything trained (values, gradients, moments), of every vector (biases, gains, scales), of
    /// saved statistics, low-rank products S, losses and their real targets, rotary tables and relative biases: fp64
    /// beside fp64, else fp32.
    /// </summary>
    DType ParameterType => ComputeType == DType.Float64 ? DType.Float64 : DType.Float32;

    /// <summary>
    /// Whether it multiplies the codes of an 8-bit weight themselves; see <see cref="LinearOp.WMaxima"/>.
    /// </summary>
    bool MultipliesCodes => false;

    /// <summary>
    /// Whether operations read memory of this process wherever it lies, so that frozen blocks of a mapped file need no
    /// copy.
    /// </summary>
    bool ReadsMappedFiles => false;

    /// <summary>
    /// Bytes that the scores [rows, vocabulary] of the loss may take at a time; more rows are worked on one chunk after
    /// the other.
    /// </summary>
    long ScoreBytes => 32 << 20;

    /// <summary>Allocates memory; its content is undefined.</summary>
    /// <exception cref="ResourceException">There is not enough.</exception>
    DeviceMemory Allocate(long bytes, string purpose);

    /// <summary>Copies host bytes to a contiguous tensor.</summary>
    void Upload(ReadOnlySpan<byte> source, in Tensor target);

    /// <summary>Copies a contiguous tensor to host bytes; waits for pending work.</summary>
    void Download(in Tensor source, Span<byte> target);

    /// <inheritdoc cref="LinearOp"/>
    void Forward(in LinearOp op);

    /// <inheritdoc cref="LinearGradients"/>
    void Backward(in LinearOp op, in LinearGradients gradients);

    /// <inheritdoc cref="DequantizeOp"/>
    void Forward(in DequantizeOp op);

    /// <inheritdoc cref="DoraScaleOp"/>
    void Forward(in DoraScaleOp op);

    /// <inheritdoc cref="DoraScaleGradients"/>
    void Backward(in DoraScaleOp op, in DoraScaleGradients gradients);

    /// <inheritdoc cref="EmbeddingOp"/>
    void Forward(in EmbeddingOp op);

    /// <inheritdoc cref="EmbeddingGradients"/>
    void Backward(in EmbeddingOp op, in EmbeddingGradients gradients);

    /// <inheritdoc cref="NormOp"/>
    void Forward(in NormOp op);

    /// <inheritdoc cref="NormGradients"/>
    void Backward(in NormOp op, in NormGradients gradients);

    /// <inheritdoc cref="RopeOp"/>
    void Forward(in RopeOp op);

    /// <summary>
    /// Turns the gradient in <c>op.X</c> back, in place: the transpose of the rotation, with the same scale.
    /// </summary>
    void Backward(in RopeOp op);

    /// <inheritdoc cref="AttentionOp"/>
    void Forward(in AttentionOp op);

    /// <inheritdoc cref="AttentionGradients"/>
    void Backward(in AttentionOp op, in AttentionGradients gradients);

    /// <inheritdoc cref="GateOp"/>
    void Forward(in GateOp op);

    /// <inheritdoc cref="GateGradients"/>
    void Backward(in GateOp op, in GateGradients gradients);

    /// <inheritdoc cref="BottleneckOp"/>
    /// <remarks>In parts, unless the backend has something better.</remarks>
    void Forward(in BottleneckOp op) => op.ForwardInParts(this);

    /// <inheritdoc cref="BottleneckGradients"/>
    void Backward(in BottleneckOp op, in BottleneckGradients gradients) => op.BackwardInParts(this, gradients);

    /// <inheritdoc cref="DropoutOp"/>
    void Forward(in DropoutOp op);

    /// <inheritdoc cref="GatherOp"/>
    void Forward(in GatherOp op);

    /// <inheritdoc cref="GatherGradients"/>
    void Backward(in GatherOp op, in GatherGradients gradients);

    /// <inheritdoc cref="CrossEntropyOp"/>
    void Run(in CrossEntropyOp op);

    /// <inheritdoc cref="RegressionLossOp"/>
    void Run(in RegressionLossOp op);

    /// <inheritdoc cref="AdamWOp"/>
    void Run(in AdamWOp op);

    /// <summary>
    /// The sum of the squares of all elements, in double precision and in an order that does not depend on the number
    /// of threads. Not finite exactly when some element is not finite (or the sum overflows a double).
    /// </summary>
    double SumOfSquares(in Tensor x);

    /// <summary>Y = Y + scale * X, element by element; both [M, N].</summary>
    void AddScaled(in Tensor x, double scale, in Tensor y);

    /// <summary>X = value.</summary>
    void Fill(in Tensor x, double value);

    /// <summary>Y = X, for equal shapes and types; strides may differ.</summary>
    void Copy(in Tensor x, in Tensor y);
}
