using PeftNative.Formats.Safetensors;
using PeftNative.Formats;
using PeftNative.Models.Loading;
using PeftNative.Models.Steps;
using PeftNative.Models;
using PeftNative.Ops;
using PeftNative.Peft.Adapters;
using PeftNative.Quantization;
using PeftNative.Tensors;

namespace PeftNative.Peft.Merging;

/// <summary>How a merged model is written.</summary>
public sealed record MergeOptions
{
    /// <summary>Element type of every float tensor; null to keep each tensor's own.</summary>
    public StoredType? Type { get; init; }

    /// <summary>
    /// How the base is quantised, where the adapter was trained on a quantised one; what is written is dequantised.
    /// Null for the base as it is.
    /// </summary>
    public QuantizationOptions? Quantization { get; init; }

    /// <summary>
    /// Whether weights that the checkpoint keeps quantised are quantised again after merging, in their own form, in
    /// place of becoming dense. That adds the noise of quantisation once more.
    /// </summary>
    public bool KeepQuantization { get; init; }

    /// <summary>
    /// Tokens of the merged model, where these are more than the base's; null for what the adapters' files ask for.
    /// Rows that nothing brings are the mean of the base's.
    /// </summary>
    public int? VocabularySize { get; init; }

    /// <summary>
    /// Texts to write beside the weights, by file name, in place of the files of the base's tokenizer: of a base in a
    /// .gguf file those that say what its tokenizer is. An adapter's own tokenizer comes before them.
    /// </summary>
    public IReadOnlyDictionary<string, string> TokenizerFiles { get; init; } = new Dictionary<string, string>();

    /// <summary>The most bytes of a weights file; larger models are written in shards with an index.</summary>
    public long MaxShardBytes { get; init; } = 5L << 30;
}

/// <summary>An adapter folder and how strongly it counts.</summary>
/// <param name="Folder">The folder.</param>
/// <param name="Scale">The factor on its change; 1 as it was trained.</param>
public sealed record AdapterSource(string Folder, double Scale = 1)
{
    /// <summary>As a user writes it: the folder, and behind a colon the scale where it is not 1.</summary>
    internal string Name => Scale == 1 ? Folder
        : string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{Folder}:{Scale:R}");

    /// <summary>Loads it onto a model for use.</summary>
    /// <exception cref="UsageException">It has a scale although its method knows none.</exception>
    public Adapter Load(TransformerModel model, string name = "default")
    {
        var adapter = AdapterFolder.Load(model, Folder, name: name);
        try
        {
            adapter.Scale = Scale;
            return adapter;
        }
        catch (UsageException e)
        {
            adapter.Dispose();
            throw new UsageException(e.What, Folder, e.Remedy, e);
        }
    }
}

/// <summary>What merging did.</summary>
/// <param name="Changed">Tensors with new values.</param>
/// <param name="Kept">Tensors copied byte for byte, or converted only.</param>
/// <param name="Added">Tensors that the base lacks (a head).</param>
/// <param name="Dropped">Tensors of the base that the new model has no place for.</param>
/// <param name="Files">The weights files.</param>
/// <param name="LargestDifference">Largest difference of a probe's logits: the written model, read again, against base
/// and adapter.</param>
/// <param name="LargestLogit">The largest of these logits, as a measure of the difference.</param>
/// <param name="LargestChange">How far the adapter moves the logits of the bare base; 0 means that it does
/// nothing.</param>
/// <param name="Doubts">What is odd about the adapters, in sentences; see <see cref="AdapterFolder.Doubts"/>.</param>
public sealed record MergeReport(
    int Changed, int Kept, int Added, IReadOnlyList<string> Dropped, IReadOnlyList<string> Files,
    double LargestDifference, double LargestLogit, double LargestChange, IReadOnlyList<string> Doubts)
{
    /// <summary>
    /// Whether embedding and head, tied in the base, are two matrices in the new model; its config.json says so.
    /// </summary>
    public bool IsUntied { get; init; }

    /// <summary>How many weights are quantised in the base's files and dense in the new ones.</summary>
    public int Dequantized { get; init; }

    /// <summary>
    /// Of each weight that was quantised again the distance from the number wanted, relative to its size (root of the
    /// sums of squares); empty where none was.
    /// </summary>
    public IReadOnlyList<double> QuantizationErrors { get; init; } = [];
}

/// <summary>Adds adapters into a base and writes a whole Hugging Face folder that needs no adapter any more.</summary>
public static class ModelMerger
{
    /// <summary>
    /// Merges and writes, reads what was written and compares its logits with those of base and adapters; only then
    /// the folder takes its place.
    /// </summary>
    /// <param name="backend">Computes.</param>
    /// <param name="baseFolder">The base model; it is not changed.</param>
    /// <param name="adapters">The adapters, which are merged as they work together.</param>
    /// <param name="output">The new folder; must not exist or be empty.</param>
    /// <param name="options">How it is written.</param>
    /// <param name="progress">Told of four stages: loading, merging, writing, checking.</param>
    /// <param name="cancellation">Stops the work between two weights.</param>
    /// <exception cref="UsageException">A method cannot be merged, or the output folder holds something.</exception>
    /// <exception cref="ModelFormatException">Base or adapters are broken or do not fit each other.</exception>
    /// <exception cref="StorageException">The disk is full, or the like; nothing is left behind.</exception>
    /// <exception cref="NumericException">
    /// Numbers of base, adapters or the merged model are not finite, or it computes something else than base and
    /// adapters; nothing is left behind.
    /// </exception>
    /// <exception cref="OperationCanceledException">It was cancelled; nothing is left behind.</exception>
    public static MergeReport Merge(
        IBackend backend, string baseFolder, IReadOnlyList<AdapterSource> adapters, string output,
        MergeOptions? options = null,
        IProgress<WorkProgress>? progress = null, CancellationToken cancellation = default)
    {
        options ??= new MergeOptions();
        var work = new Work("loading", progress, cancellation);
        var fitting = AdapterLabels.OptionsFor([.. adapters.Select(a => a.Folder)], baseFolder);
        var asked = fitting with
        {
            Quantization = options.Quantization, VocabularySize = options.VocabularySize ?? fitting.VocabularySize,
        };
        var (model, loaded) = ModelLoader.Load(backend, baseFolder, asked, work);
        using var owner = model;
        var isRounded = options.KeepQuantization && QuantizedTensors.RoundAsStored(model, loaded);
        var probe = Probe.For(model, adapters.SelectMany(a => AdapterFolder.ReadConfig(a.Folder).TokensOfItsOwn));
        var bare = probe.Logits(model);
        var (expected, doubts) = WithAdapters(model, adapters, probe, work.Next("merging"));
        if (!Finite.All(expected))
            throw new NumericException(
                $"The logits of {(Finite.All(bare) ? "base and adapter" : "the base")} are not finite; nothing is "
                    + "written.",
                Finite.All(bare) ? adapters[0].Folder : baseFolder, Finite.Remedy);
        var keeps = options.KeepQuantization;
        var computed = isRounded && backend.ComputeType != DType.Float16 ? DType.BFloat16 : backend.ComputeType;
        var check = new MergeCheck(expected, options.Quantization, computed, adapters.Count,
            options.Quantization is not null || loaded.Quantized.Count > 0 && !keeps);
        check.Merged(probe.Logits(model));

        using var source = WeightSource.Open(baseFolder);
        var (again, errors) = keeps ? QuantizedTensors.Again(model, loaded) : (null, []);
        var plan = MergedTensors.Plan(model, loaded, source, options.Type, again);
        MergedTensors.Round(model, plan);
        var rounded = probe.Logits(model);
        if (again is not { Count: > 0 }) check.Rounded(rounded, plan);
        var difference = 0.0;
        var keepsForm = keeps || loaded.Quantized.Count == 0;
        var files = MergedFolder.Write(
            new MergedBase(baseFolder, AdapterVocabulary.TokenizerFolder(baseFolder, adapters.Select(a => a.Folder)),
                MergedFolder.ConfigOf(baseFolder, source, model, keepsForm), options.TokenizerFiles),
            output, model, plan, options.MaxShardBytes, work.Next("writing"),
            [.. adapters.Select(a => a.Name).Zip(model.Merged)], Check);
        return new MergeReport(plan.Count(t => t.IsChanged), plan.Count(t => !t.IsChanged), loaded.Created.Count,
            MergedTensors.Dropped(model, loaded), files, difference, check.LargestLogit, Probe.Distance(bare, expected),
            [.. loaded.Doubts, .. doubts])
        {
            IsUntied = MergedFolder.IsUntied(model), QuantizationErrors = errors,
            Dequantized = keeps ? 0 : loaded.Quantized.Count,
        };

        void Check(string folder)
        {
            var (written, _) = ModelLoader.Load(backend, folder, new ModelOptions(), work.Next("checking"));
            using var again = written;
            difference = check.Written(probe.Logits(written), rounded, plan);
        }
    }

    // Leaves the adapters merged into the model; returns the logits it gave before, with them attached.
    private static (float[] Logits, List<string> Doubts) WithAdapters(TransformerModel model,
        IReadOnlyList<AdapterSource> sources, Probe probe, Work work)
    {
        work.Total = sources.Count;
        var adapters = new List<Adapter>();
        try
        {
            foreach (var source in sources)
                adapters.Add(source.Load(model, adapters.Count == 0 ? "default" : $"adapter{adapters.Count}"));
            var logits = probe.Logits(model, [.. adapters]);
            List<string> doubts = [.. adapters.Zip(sources)
                .SelectMany(p => AdapterFolder.Doubts(p.First, p.Second.Folder))];
            doubts.AddRange(Adapter.Clashes(adapters, [.. sources.Select(s => s.Folder)]));
            Adapter.Merge(adapters, () => work.Add(1));
            return (logits, doubts);
        }
        finally
        {
            adapters.ForEach(a => a.Dispose());
        }
    }
}

/// <summary>A fixed text of token ids that shows whether two models compute the same.</summary>
internal sealed class Probe(int[] tokens)
{
    private const int Length = 24;

    /// <summary>
    /// Ids spread over the vocabulary; every second one of those that adapters change, if they change few.
    /// </summary>
    public static Probe For(TransformerModel model, IEnumerable<int> changed)
    {
        var (length, vocabulary) = (Math.Min(Length, model.Config.MaxPositions), model.Config.VocabularySize);
        int[] tokens = [.. Enumerable.Range(0, length).Select(i => (int)((long)(i + 1) * vocabulary / (length + 2)))];
        var place = 0;
        foreach (var id in changed.Distinct().Where(id => (uint)id < (uint)vocabulary).Take(length / 2))
            tokens[2 * place++] = id;
        return new Probe(tokens);
    }

    /// <summary>The logits of every position, or of the whole text for a classifier of texts.</summary>
    public float[] Logits(TransformerModel model, params Adapter[] adapters)
    {
        using var run = new ModelRun(model, adapters);
        int[] offsets = [0, tokens.Length];
        run.Forward(new TokenBatch(tokens, offsets) { Source = model.Config.Encoder is null
            ? null : new TokenBatch(tokens, offsets) });
        return HostValues.Download(model.Backend, run.Scores());
    }

    /// <summary>The largest difference of two logits; NaN where one is not a number.</summary>
    public static double Distance(float[] a, float[] b)
    {
        var most = 0.0;
        for (var i = 0; i < a.Length; i++) most = Math.Max(most, Math.Abs((double)a[i] - b[i]));
        return most;
    }
}
