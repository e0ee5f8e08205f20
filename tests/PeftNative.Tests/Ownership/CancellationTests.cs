using PeftNative.Backends.Reference;
using PeftNative.Data.Encoding;
using PeftNative.Data.Reading;
using PeftNative.Models.Loading;
using PeftNative.Peft;
using PeftNative.Peft.Lora;
using PeftNative.Peft.Merging;
using PeftNative.Tensors;
using PeftNative.Tests.Data;
using PeftNative.Training.Loop;
using Xunit;

namespace PeftNative.Tests.Ownership;

/// <summary>
/// Long work tells how far it is and ends when asked to, at every stage, without leaving memory or files behind.
/// </summary>
public sealed class CancellationTests : IDisposable
{
    private static readonly string Base = Path.Combine(AppContext.BaseDirectory, "golden", "bases", "llama-causal");

    private readonly TemporaryFolder folder = new();
    private readonly CancellationTokenSource source = new();

    public void Dispose()
    {
        folder.Dispose();
        source.Dispose();
    }

    [Fact]
    public void Loading_reports_every_weight()
    {
        using var backend = ReferenceBackend.Create(DType.Float32);
        var seen = new Listener();
        using var model = ModelLoader.Load(backend, Base, progress: seen, cancellation: source.Token).Model;
        Assert.Equal(model.Parameters.Count, seen.Reports.Count);
        seen.ExpectWhole("loading");
    }

    [Fact]
    public void Loading_can_be_cancelled()
    {
        using var backend = new CountingBackend();
        Assert.Throws<OperationCanceledException>(() => ModelLoader.Load(backend, Base,
            progress: new Listener(CancelAt("loading", 3)), cancellation: source.Token));
        Assert.True(backend.Allocations > 0);
        Assert.Empty(backend.Held);
    }

    [Fact]
    public void Merging_reports_its_stages_one_after_the_other()
    {
        using var backend = ReferenceBackend.Create(DType.Float32);
        var seen = new Listener();
        ModelMerger.Merge(backend, Base, [new AdapterSource(NewAdapter())], folder["merged"], null, seen, source.Token);
        string[] stages = ["loading", "merging", "writing", "checking"];
        Assert.Equal(stages, seen.Reports.Select(r => r.Stage).Distinct());
        Assert.All(stages, seen.ExpectWhole);
    }

    [Theory]
    [InlineData("loading")]
    [InlineData("merging")]
    [InlineData("writing")]
    public void Merging_can_be_cancelled(string stage)
    {
        var adapter = NewAdapter();
        using var backend = new CountingBackend();
        Assert.Throws<OperationCanceledException>(() => ModelMerger.Merge(
            backend, Base, [new AdapterSource(adapter), new AdapterSource(adapter)], folder["merged"], null,
            new Listener(CancelAt(stage, 1)), source.Token));
        Assert.Empty(backend.Held);
        Assert.Equal(["adapter"], Directory.GetFileSystemEntries(folder.Root).Select(Path.GetFileName));
    }

    [Fact]
    public void Evaluation_reports_every_batch_and_can_be_cancelled()
    {
        using var backend = ReferenceBackend.Create(DType.Float32);
        using var model = ModelLoader.Load(backend, Base, cancellation: source.Token).Model;
        var data = EncodedData.Of([.. Enumerable.Range(1, 6).Select(i =>
            new Example { Ids = [i, i + 1, 3], Labels = [i, i + 1, 3], Origin = new RecordOrigin("test", i) })]);
        using var evaluator = new Evaluator(model, data, batchSize: 2);
        var seen = new Listener();
        Assert.NotNull(evaluator.Run(seen, source.Token));
        seen.ExpectWhole("evaluating");
        Assert.Null(evaluator.Run(new Listener(CancelAt("evaluating", 2)), source.Token));
    }

    private string NewAdapter()
    {
        using var backend = ReferenceBackend.Create(DType.Float32);
        using var model = ModelLoader.Load(backend, Base).Model;
        using var adapter = new LoraConfig { Initialization = LoraInitialization.Random }.Create(model, seed: 1,
            trainable: false, "default");
        AdapterFolder.Save(adapter, folder["adapter"]);
        return folder["adapter"];
    }

    private Action<WorkProgress> CancelAt(string stage, int count)
    {
        var left = count;
        return report =>
        {
            if (report.Stage == stage && --left == 0) source.Cancel();
        };
    }

    private sealed class Listener(Action<WorkProgress>? action = null) : IProgress<WorkProgress>
    {
        public List<WorkProgress> Reports { get; } = [];

        public void Report(WorkProgress value)
        {
            Reports.Add(value);
            action?.Invoke(value);
        }

        /// <summary>The reports of a stage count up to the total.</summary>
        public void ExpectWhole(string stage)
        {
            var counts = Reports.Where(r => r.Stage == stage).ToList();
            Assert.NotEmpty(counts);
            Assert.Equal(counts.Select(r => r.Done).Order(), counts.Select(r => r.Done));
            Assert.Equal(counts[^1].Total, counts[^1].Done);
        }
    }
}
