using PeftNative.Ops;
using PeftNative.Peft.Adapters;
using PeftNative.Tensors;

namespace PeftNative.Training.Optimization;

/// <summary>Settings of AdamW, with the names and defaults of torch.optim.AdamW and of transformers' trainer.</summary>
public sealed record AdamWOptions
{
    /// <summary>β1.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>β2.</summary>
    public double Beta2 { get; init; } = 0.999;

    /// <summary>ε.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>Decoupled weight decay, on every trained value.</summary>
    public double WeightDecay { get; init; }

    /// <summary>Gradients with a larger global norm are scaled down to it; 0 for no clipping.</summary>
    public double MaxGradientNorm { get; init; } = 1;
}

/// <summary>
/// AdamW over an adapter's flat buffer: one norm, one finite check, one update. Owns the two moments.
/// Used by one thread at a time, like its backend.
/// </summary>
public sealed class AdamW : IDisposable
{
    private readonly IBackend backend;
    private readonly TrainableBuffer buffer;
    private readonly AdamWOptions options;
    private readonly Arena arena;

    /// <summary>Makes an optimizer with zero moments.</summary>
    public AdamW(IBackend backend, TrainableBuffer buffer, AdamWOptions options)
    {
        (this.backend, this.buffer, this.options) = (backend, buffer, options);
        arena = new Arena(backend, "optimizer");
        FirstMoment = arena.Allocate(buffer.Values.Type, 1, buffer.Values.Columns);
        SecondMoment = arena.Allocate(buffer.Values.Type, 1, buffer.Values.Columns);
        backend.Fill(FirstMoment, 0);
        backend.Fill(SecondMoment, 0);
    }

    /// <summary>First moments [1, n], in the order of the buffer.</summary>
    public Tensor FirstMoment { get; }

    /// <summary>Second moments [1, n].</summary>
    public Tensor SecondMoment { get; }

    /// <summary>Steps taken.</summary>
    public int StepCount { get; set; }

    /// <summary>Sets all gradients to zero.</summary>
    public void ZeroGradients() => backend.Fill(buffer.Gradients, 0);

    /// <summary>The global norm of the gradients; not finite exactly when some gradient is not.</summary>
    public double GradientNorm() => Math.Sqrt(backend.SumOfSquares(buffer.Gradients));

    /// <summary>
    /// One update. Gradients beyond the largest norm are scaled by max / (norm + 1e-6), as torch's clip_grad_norm_
    /// does.
    /// </summary>
    /// <param name="learningRate">Learning rate of this step.</param>
    /// <param name="gradientNorm">What <see cref="GradientNorm"/> returned; must be finite.</param>
    public void Step(double learningRate, double gradientNorm)
    {
        if (!double.IsFinite(gradientNorm))
            throw new NumericException("A gradient is not finite.", $"optimizer step {StepCount + 1}",
                "Lower the learning rate.");
        var clip = options.MaxGradientNorm > 0 ? Math.Min(1, options.MaxGradientNorm / (gradientNorm + 1e-6)) : 1;
        buffer.AroundStep?.Before();
        backend.Run(new AdamWOp
        {
            Values = buffer.Values, Gradients = buffer.Gradients, FirstMoment = FirstMoment,
            SecondMoment = SecondMoment,
            Step = ++StepCount, LearningRate = learningRate, Beta1 = options.Beta1, Beta2 = options.Beta2,
            Epsilon = options.Epsilon, WeightDecay = options.WeightDecay, GradientScale = clip,
        });
        buffer.AroundStep?.After();
    }

    /// <inheritdoc/>
    public void Dispose() => arena.Dispose();
}
