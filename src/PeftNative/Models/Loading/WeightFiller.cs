using System.Buffers;
using PeftNative.Determinism;
using PeftNative.Formats;
using PeftNative.Formats.Safetensors;
using PeftNative.Formats.Text;
using PeftNative.Models.Families;
using PeftNative.Models.Loading.Stored;
using PeftNative.Models.Weights;
using PeftNative.Ops;
using PeftNative.Quantization;
using PeftNative.Tensors;

namespace PeftNative.Models.Loading;

/// <summary>
/// Finds each parameter of a model in a checkpoint and copies it to the backend.
/// </summary>
internal sealed class WeightFiller(TransformerModel model, WeightSource source, CheckpointNames names,
    StoredForms forms, QuantizationOptions? quantization = null)
{
    private const int PartLength = 1 << 18;

    private readonly Dictionary<Parameter, string> sources = [];
    private readonly Dictionary<Parameter, StoredWeight> quantized = [];

    internal LoadReport Fill(ulong seed, Work work)
    {
        work.Total = model.Parameters.Sum(p => p.Count);
        List<string> created = [], missing = [];
        var tie = Tie();
        foreach (var parameter in model.Parameters)
        {
            if (forms.Read(parameter) is { } weight) Take(parameter, weight);
            else if (names.Find(parameter.Name) is { } stored) Copy(parameter, stored);
            else if (parameter == model.Embedding.Table && tie?.Head is { } head) Read(parameter, head);
            else if (parameter.TiedTo is null) (IsHead(parameter) ? created : missing).Add(parameter.Name);
            work.Add(parameter.Count);
        }
        if (missing.Count > 0)
            throw new ModelFormatException(
                $"The checkpoint lacks {missing.Count} weights of a {model.Config.ModelType} model, "
                + $"the first being {string.Join(", ", missing.Take(3))}.", source.Path,
                "config.json and the weights are of different models, or the download is incomplete.");
        foreach (var parameter in model.Parameters.Where(p => created.Contains(p.Name)))
            Initialize(model, parameter,
                new RandomStream(seed, RandomPurpose.HeadInitialization, (ulong)parameter.Index));
        var read = quantized.Values.SelectMany(q => q.Tensors).ToHashSet();
        List<string> unused = [.. UnusedTensors.Of(model.Family, names, source, [.. sources.Values, .. read])];
        names.Gguf?.CheckUnused(unused);
        StoredForms.CheckUnused(unused, read, source);
        return new LoadReport(created, unused, sources)
        {
            Quantized = quantized,
            Doubts = [.. new[]
            {
                tie?.Doubt(model.Config), GgufDoubt(), Growth(), Requantized(),
            }.Concat(UnusedTensors.Doubts(model, unused)).Concat(quantized.Values.Select(q => q.Doubt))
                .OfType<string>()],
        };
    }

    // What the file says about a tied head; one that differs from the embedding gets numbers of its own.
    private TiedHead? Tie()
    {
        if (model.Head.Output?.Weight is not { TiedTo: not null } weight) return null;
        var tie = TiedHead.Find(model.Family, names, source);
        // One that the file has quantised cannot be the embedding.
        var own = new Parameter(weight.Name, weight.Rows, weight.Columns, weight.Layout);
        if (tie.IsApart || forms.Holds(own)) model.Untie(weight);
        return tie;
    }

    /// <summary>
    /// Gives a parameter the values its family starts from: norms 1 and 0, biases 0, all else N(0, initializer_range).
    /// </summary>
    internal static void Initialize(TransformerModel model, Parameter parameter, RandomStream random,
        QuantizationOptions? quantization = null)
    {
        var isBias = parameter.Name.EndsWith(".bias", StringComparison.Ordinal);
        if (!parameter.Value.IsPresent)
            Quantize(model, parameter, quantization!,
                (first, values) => random.FillNormal(values, 0, model.Config.InitializerRange, (ulong)first));
        else if (isBias || parameter.Layout == StoredLayout.Vector) model.Backend.Fill(parameter.Value, isBias ? 0 : 1);
        else
            InParts(model, parameter,
                (first, values) => random.FillNormal(values, 0, model.Config.InitializerRange, (ulong)first));
    }

    private bool IsHead(Parameter parameter) =>
        !model.Family.Names.IsInBackbone(parameter.Name)
        || (model.Head.Pooler is { } pooler && parameter.Name.StartsWith(pooler.Path + ".", StringComparison.Ordinal));

    private void Copy(Parameter parameter, StoredTensor stored)
    {
        sources[parameter] = stored.Name;
        if (parameter.TiedTo is null) Read(parameter, stored);
    }

    // A quantised weight stays as it is, but where the model has it whole: a table, of which rows are looked up.
    private void Take(Parameter parameter, StoredWeight weight)
    {
        if (model.HasRowsOfTokens(parameter) && model.AddedTokens > 0)
            throw new ModelFormatException(
                $"The weight is quantised ({weight.Form}), so it cannot grow by {model.AddedTokens} tokens.",
                Message.At(source.Path, parameter.Name), "Take a base whose embedding and head are not quantised.");
        var matrix = weight.Matrix!;
        quantized[parameter] = weight with { Matrix = null }; // lest it lie on the host too
        if (parameter.Value.IsPresent)
        {
            using var scratch = new Arena(model.Backend, "quantised weight");
            var op = QuantizedUpload.ToBackend(model.Backend, scratch, matrix).Op;
            model.Backend.Forward(op with { Y = parameter.Value });
            Forget(weight);
            return;
        }
        Keep(model, parameter, matrix,
            matrix is { Book.Length: 0, Format: BlockFormat.None } ? quantization?.Int8Compute : null);
        if (!parameter.Quantized!.IsMapped) Forget(weight);
    }

    private void Forget(StoredWeight weight)
    {
        foreach (var name in weight.Tensors) source.Forget(name, 0, source.Get(name).ElementCount);
    }

    private string? Requantized() => quantization is null || quantized.Count == 0 ? null
        : $"{quantized.Count} weights are quantised in the checkpoint already and stay as they are there "
            + $"({quantized.Values.First().Form}); --quantization is for the others";

    private static void Keep(TransformerModel model, Parameter parameter, QuantizedMatrix matrix, Int8Compute? compute)
    {
        var kept = QuantizedUpload.ToBackend(model.Backend, model.Weights, matrix);
        parameter.Quantized = compute == Int8Compute.Integer
            ? kept.WithCodes(parameter.Rows, parameter.Columns) : kept;
    }

    private string? GgufDoubt() => source.Gguf is { } values ? GgufConfig.Doubt(values, model.Config) : null;

    private string? Growth() => model.AddedTokens == 0 ? null
        : $"the vocabulary grows by {model.AddedTokens} to {model.Config.VocabularySize} tokens, "
            + "as the adapter wants it";

    private void Read(Parameter parameter, StoredTensor stored)
    {
        var added = model.HasRowsOfTokens(parameter) ? model.AddedTokens : 0;
        var isTransposed = names.LayoutOf(parameter) == StoredLayout.Transposed;
        long[] expected = added == 0 ? parameter.ShapeIn(names.LayoutOf(parameter))
            : [parameter.Rows - added, parameter.Columns];
        if (!stored.Shape.AsSpan().SequenceEqual(expected))
            throw new ModelFormatException(
                $"The weight {stored.Name} has the shape [{string.Join(", ", stored.Shape)}], "
                + $"expected [{string.Join(", ", expected)}].", source.Path,
                IsHead(parameter) ? "The head has another number of labels than asked for."
                    : "config.json describes another model.");
        if (!parameter.Value.IsPresent)
            Quantize(model, parameter, quantization!, isTransposed
                ? (first, values) => Whole(parameter, stored).AsSpan((int)first, values.Length).CopyTo(values)
                : ReadPart);
        else if (!isTransposed) InParts(model, parameter, ReadPart, stored.ElementCount);
        else HostValues.Upload(model.Backend, Whole(parameter, stored), parameter.Value);
        if (added > 0) AddRows(parameter, stored);

        void ReadPart(long first, Span<float> part)
        {
            names.ReadAs(parameter, stored, part, first);
            source.Forget(stored.Name, first, part.Length);
        }
    }

    // As resize_token_embeddings does it, but for the spread of about 1e-5 that it draws around the mean.
    private void AddRows(Parameter parameter, StoredTensor stored)
    {
        var (sums, row) = (new double[parameter.Columns], new float[parameter.Columns]);
        for (var first = 0L; first < stored.ElementCount; first += row.Length)
        {
            source.ReadAs(stored.Name, row, first);
            for (var c = 0; c < row.Length; c++) sums[c] += row[c];
        }
        for (var c = 0; c < row.Length; c++) row[c] = (float)(sums[c] / stored.Shape[0]);
        for (var first = stored.ElementCount; first < parameter.Count; first += row.Length)
            HostValues.Upload(model.Backend, row, parameter.Value, first);
    }

    private delegate void PartReader(long first, Span<float> values);

    // Part by part, each of whole blocks.
    private static void Quantize(TransformerModel model, Parameter parameter, QuantizationOptions options,
        PartReader read)
    {
        var quantizer = new BlockQuantizer(options, parameter.Rows, parameter.Columns);
        var most = parameter.Layout == StoredLayout.Transposed
            ? parameter.Count : Math.Max(1, PartLength / quantizer.BlockSize) * (long)quantizer.BlockSize;
        most = Math.Min(parameter.Count, most);
        var values = ArrayPool<float>.Shared.Rent((int)most);
        for (var first = 0L; first < parameter.Count; first += most)
        {
            var part = values.AsSpan(0, (int)Math.Min(most, parameter.Count - first));
            read(first, part);
            quantizer.Add(part);
        }
        ArrayPool<float>.Shared.Return(values);
        var matrix = quantizer.Finish();
        if (options.ReadsMaximaByRow) matrix = BlockQuantizer.ByRow(matrix, parameter.Columns);
        Keep(model, parameter, matrix, options.Int8Compute);
    }

    private float[] Whole(Parameter parameter, StoredTensor stored)
    {
        var values = new float[parameter.Count];
        source.ReadAs(stored.Name, values);
        return StoredOrder.FromFile(parameter, values);
    }

    // Fills a parameter part by part, so that its numbers never lie beside it a second time.
    private static void InParts(TransformerModel model, Parameter parameter, PartReader fill, long? most = null)
    {
        var count = most ?? parameter.Count;
        var values = ArrayPool<float>.Shared.Rent((int)Math.Min(PartLength, count));
        for (var first = 0L; first < count; first += PartLength)
        {
            var part = values.AsSpan(0, (int)Math.Min(PartLength, count - first));
            fill(first, part);
            HostValues.Upload(model.Backend, part, parameter.Value, first);
        }
        ArrayPool<float>.Shared.Return(values);
    }
}
