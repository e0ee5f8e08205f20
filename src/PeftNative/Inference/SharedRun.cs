using PeftNative.Models;
using PeftNative.Models.Layers;
using PeftNative.Models.Steps;

namespace PeftNative.Inference;

/// <summary>
/// A run of a model that other threads compute with too: whoever enters is alone on the backend until the scope
/// ends, and what has been disposed is found out before anything reads its memory.
/// </summary>
internal sealed class SharedRun : IDisposable
{
    private readonly TransformerModel model;
    private readonly ModelRun run;
    private readonly object owner;
    private bool isDisposed;

    /// <summary>Makes a run.</summary>
    /// <param name="model">The model.</param>
    /// <param name="adapters">The adapters in force.</param>
    /// <param name="owner">Whose run it is; named where it is used after it was disposed.</param>
    public SharedRun(TransformerModel model, IReadOnlyList<AttachmentSet> adapters, object owner)
    {
        (this.model, this.owner) = (model, owner);
        lock (model.Gate)
        {
            ObjectDisposedException.ThrowIf(model.IsDisposed, model);
            run = new ModelRun(model, adapters);
        }
    }

    /// <summary>The adapters in force.</summary>
    public IReadOnlyList<AttachmentSet> Adapters => run.Adapters;

    /// <summary>Waits until nobody else computes; the run may be used until the scope is disposed.</summary>
    /// <exception cref="ObjectDisposedException">The owner or the model has been disposed.</exception>
    public Lock.Scope Enter(out ModelRun entered)
    {
        var scope = model.Gate.EnterScope();
        if (isDisposed || model.IsDisposed)
        {
            scope.Dispose();
            ObjectDisposedException.ThrowIf(isDisposed, owner);
            ObjectDisposedException.ThrowIf(true, model);
        }
        entered = run;
        return scope;
    }

    /// <summary>Gives up the cache of a continuation, also after all has been disposed.</summary>
    public void Leave(KvCache cache)
    {
        lock (model.Gate)
        {
            run.Cache = null;
            cache.Dispose();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (model.Gate)
        {
            if (isDisposed) return;
            isDisposed = true;
            run.Dispose();
        }
    }
}
