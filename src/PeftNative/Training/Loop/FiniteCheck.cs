using PeftNative.Data.Batching;
using PeftNative.Models;
using PeftNative.Models.Layers;
using PeftNative.Tensors;

namespace PeftNative.Training.Loop;

/// <summary>
/// Lets a run leave nothing behind that is not finite: what an update has broken is told before anything is written.
/// </summary>
internal static class FiniteCheck
{
    /// <summary>
    /// Checks trained values, the optimizer's moments, and the loss that the model has with them on a batch.
    /// </summary>
    /// <exception cref="NumericException">One of them is not finite.</exception>
    internal static void Require(Trainer trainer, Batch batch, TrainerOptions options)
    {
        var (model, adapter) = (trainer.Adapter.Model, trainer.Adapter);
        bool IsFinite(in Tensor values) => double.IsFinite(model.Backend.SumOfSquares(values));
        if (!IsFinite(adapter.Buffer.Values))
        {
            var culprit = adapter.Entries.FirstOrDefault(e => !IsFinite(e.Parameter.Value));
            throw Error(trainer, "the trained values are not finite", culprit?.Key, options);
        }
        if (!IsFinite(trainer.Optimizer.FirstMoment) || !IsFinite(trainer.Optimizer.SecondMoment))
            throw Error(trainer, "the optimizer's moments are not finite", null, options);
        var loss = Loss(model, adapter, batch);
        if (!double.IsFinite(loss)) throw Error(trainer, $"the loss is {loss}", Records([batch]), options);
    }

    /// <summary>Where a run can go on from, in a sentence.</summary>
    internal static string LastCheckpoint(TrainerOptions options)
    {
        if ((options.Output is { } output ? RunFolder.FindLast(output) : null) is { } own)
            return $"The last finite checkpoint is {own}.";
        return options.ResumeFrom is { } start ? $"The last finite checkpoint is {start}."
            : "There is no finite checkpoint.";
    }

    /// <summary>The first records of batches, for a message.</summary>
    internal static string Records(IEnumerable<Batch> batches) =>
        $"records {string.Join(", ", batches.SelectMany(b => b.Examples).Select(e => e.Origin).Take(4))}, ...";

    private static NumericException Error(Trainer trainer, string what, string? where, TrainerOptions options) =>
        new($"After the update at step {trainer.CompletedSteps} {what}; nothing is saved.", where,
            $"Lower the learning rate, or look at the optimizer's settings. {LastCheckpoint(options)}");

    // In a run of its own: the trainer's has the layout of its steps.
    private static double Loss(TransformerModel model, AttachmentSet adapter, Batch batch)
    {
        using var run = new ModelRun(model, adapter);
        run.Forward(ModelBatch.Tokens(model, batch));
        return run.Loss(ModelBatch.Targets(model, batch, 1)).LossSum;
    }
}
