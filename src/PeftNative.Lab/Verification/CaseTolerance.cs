using PeftNative.Tensors;

namespace PeftNative.Lab.Verification;

/// <summary>
/// The largest relative errors that a recorded case may show. With 16-bit weights and activations the rounding of the
/// weights alone moves some results further than that, whatever the arithmetic; there an error may be twice (of
/// gradients three times) what the reference backend with the same storage and fp64 arithmetic has among the results of
/// the kind (the rule of Dao et al. 2022, arXiv:2205.14135, for their tests).
/// </summary>
/// <param name="Outputs">Of logits and losses.</param>
/// <param name="Gradients">Of gradients.</param>
/// <param name="Losses">Of losses after optimizer steps.</param>
/// <param name="Parameters">Of parameters after optimizer steps.</param>
/// <param name="Merged">Of logits of merged adapter folders.</param>
/// <param name="Noise">Part of the largest gradient of the case that any gradient may be off by: what is zero in
/// exact arithmetic is noise.</param>
/// <param name="IsExact">Whether greedy generation must give the recorded tokens, and errors are never compared with
/// the reference's.</param>
internal sealed record CaseTolerance(
    double Outputs, double Gradients, double Losses, double Parameters, double Merged, double Noise, bool IsExact)
{
    /// <summary>The tolerance of an element type of activations and frozen weights.</summary>
    /// <remarks>
    /// The first steps of AdamW divide gradients by their size, so with 16-bit activations small ones may step in
    /// either direction: parameters then say little, and neither do tokens whose scores nearly tie.
    /// </remarks>
    internal static CaseTolerance Of(DType type) => type is DType.Float32 or DType.Float64
        ? new(1e-4, 1e-4, 1e-4, 1e-3, 1e-3, 1e-6, IsExact: true)
        : new(3e-2, 6e-2, 0.25, 0.5, 3e-2, 4e-3, IsExact: false);
}
