using PeftNative.Formats;
using PeftNative.Formats.Safetensors;
using PeftNative.Models;
using PeftNative.Models.Loading;
using PeftNative.Models.Loading.Stored;
using PeftNative.Models.Weights;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Peft.Merging;

/// <summary>A tensor of the new model.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Type">The type it is written in.</param>
/// <param name="Shape">Its shape.</param>
/// <param name="IsChanged">Whether its values differ from the base's.</param>
/// <param name="Write">Writes its bytes.</param>
internal sealed record MergedTensor(string Name, StoredType Type, long[] Shape, bool IsChanged, Action<Stream> Write)
{
    /// <summary>The parameter that it is of; null for tensors that the model has no place for.</summary>
    public Parameter? Parameter { get; init; }

    /// <summary>Its size.</summary>
    public long Bytes => Type.TryByteLength(Shape, out var bytes) ? bytes : 0;
}

/// <summary>
/// Decides what the files of a merged model hold: everything the base's files hold, under the same names and in the
/// same types.
/// </summary>
internal static class MergedTensors
{
    private const int Chunk = 1 << 24;

    /// <summary>The tensors of a model whose adapters have been merged in memory.</summary>
    /// <param name="model">The merged model.</param>
    /// <param name="loaded">What loading its base has found.</param>
    /// <param name="source">The base's files.</param>
    /// <param name="type">The type of every float tensor; null to keep each as it is.</param>
    /// <param name="again">Weights that were quantised again; null where quantised ones become dense.</param>
    public static List<MergedTensor> Plan(TransformerModel model, LoadReport loaded, WeightSource source,
        StoredType? type, IReadOnlyDictionary<Parameter, WrittenWeight>? again = null)
    {
        // A backbone saved alone has names without the family's prefix; once a head stands beside it, full names are
        // what others expect.
        var hasNewHead = HasNewHead(model, loaded);
        var plan = new List<MergedTensor>();
        foreach (var parameter in model.Parameters)
        {
            if (source.Gguf is not null && loaded.Has(parameter))
            {
                if (parameter.TiedTo is null) plan.Add(FromGguf(model, parameter, source, type));
            }
            else if (loaded.Quantized.ContainsKey(parameter))
                plan.AddRange(QuantizedTensors.Plan(model, loaded, parameter, source, type, again));
            else if (loaded.Sources.TryGetValue(parameter, out var stored))
                plan.Add(Existing(model, parameter, source, stored, hasNewHead ? parameter.Name : stored, type)
                    with { Parameter = parameter });
            else if (parameter.TiedTo is null)
                plan.Add(New(model, parameter, type ?? Relative(model, loaded, parameter, source))
                    with { Parameter = parameter });
        }
        if (!hasNewHead) plan.AddRange(loaded.Unused.Select(name => Copy(source, name, name, type)));
        return plan;
    }

    /// <summary>
    /// Rounds the model's numbers to the types they are written in; those of a base that is still quantised stay.
    /// </summary>
    /// <exception cref="NumericException">A type does not hold a number.</exception>
    public static void Round(TransformerModel model, IReadOnlyList<MergedTensor> plan)
    {
        foreach (var tensor in plan)
        {
            if (tensor is not { Type: StoredType.F16 or StoredType.BF16,
                Parameter: { TiedTo: null, Quantized: null } parameter }) continue;
            var values = HostValues.Download(model.Backend, parameter.Value);
            HostValues.Round(values, Fitting(tensor.Name, values, tensor.Type));
            HostValues.Upload(model.Backend, values, parameter.Value);
        }
    }

    /// <summary>What of the base's files is not in the new ones.</summary>
    public static IReadOnlyList<string> Dropped(TransformerModel model, LoadReport loaded) =>
        HasNewHead(model, loaded) ? loaded.Unused : [];

    // A head that the base lacks, or had as its embedding only.
    private static bool HasNewHead(TransformerModel model, LoadReport loaded) => loaded.Created.Count > 0
        || model.Head.Output?.Weight is { TiedTo: null } head && !loaded.Has(head);

    // The stored tensor whose type a new one takes: of two that were tied the other one's, else the first one's.
    private static StoredType Relative(TransformerModel model, LoadReport loaded, Parameter parameter,
        WeightSource source)
    {
        var (table, head) = (model.Embedding.Table, model.Head.Output?.Weight);
        var partner = parameter == head ? table : head;
        var relative = (parameter == head || parameter == table) && partner is not null
            && loaded.Sources.TryGetValue(partner, out var stored)
            ? stored : loaded.Sources.Values.First();
        var type = source.Get(relative).Type;
        return source.Gguf is null || type is StoredType.F16 or StoredType.BF16 ? type : StoredType.F32;
    }

    private static MergedTensor Existing(
        TransformerModel model, Parameter parameter, WeightSource source, string stored, string name, StoredType? type)
    {
        var tensor = source.Get(stored);
        var before = new float[tensor.ElementCount];
        source.ReadAs(stored, before);
        if (Values(model, parameter).AsSpan().SequenceEqual(before)) return Copy(source, stored, name, type);
        return new MergedTensor(
            name, type ?? tensor.Type, parameter.StoredShape, true, Writer(model, parameter, type ?? tensor.Type));
    }

    // Under the names of the folder it was converted from. Where all matrices of the file are of one narrow type, they
    // stay so; blocks hold numbers that no narrow type does.
    private static MergedTensor FromGguf(TransformerModel model, Parameter parameter, WeightSource source,
        StoredType? type)
    {
        var kinds = source.Tensors.Where(t => t.Shape.Length > 1).Select(t => (t.Type, t.Block)).Distinct().ToList();
        var written = type ?? (parameter.Layout != StoredLayout.Vector
            && kinds is [(StoredType.F16 or StoredType.BF16, BlockFormat.None)] ? kinds[0].Type : StoredType.F32);
        return new MergedTensor(parameter.Name, written, parameter.ShapeIn(parameter.DenseLayout),
            parameter.Changes > 0, Writer(model, parameter, written, parameter.DenseLayout)) { Parameter = parameter };
    }

    private static MergedTensor New(TransformerModel model, Parameter parameter, StoredType type) =>
        new(parameter.Name, type, parameter.StoredShape, true, Writer(model, parameter, type));

    /// <summary>A tensor as the base has it, but for its type.</summary>
    internal static MergedTensor Copy(WeightSource source, string stored, string name, StoredType? type)
    {
        var tensor = source.Get(stored);
        var isFloat = tensor.Type is StoredType.F32 or StoredType.F16 or StoredType.BF16 or StoredType.F64;
        if (type is not { } target || !isFloat || target == tensor.Type)
            return new MergedTensor(name, tensor.Type, [.. tensor.Shape], false,
                stream => CopyBytes(source, stored, stream));
        return new MergedTensor(name, target, [.. tensor.Shape], false, stream =>
        {
            var values = new float[tensor.ElementCount];
            source.ReadAs(stored, values);
            WriteFinite(stream, name, values, target);
        });
    }

    private static void CopyBytes(WeightSource source, string stored, Stream stream)
    {
        var (file, tensor) = (source.FileOf(stored), source.Get(stored));
        for (var at = 0L; at < tensor.ByteLength; at += Chunk)
            stream.Write(file.Bytes(tensor, at, (int)Math.Min(Chunk, tensor.ByteLength - at)));
    }

    private static Action<Stream> Writer(TransformerModel model, Parameter parameter, StoredType type) =>
        Writer(model, parameter, type, parameter.Layout);

    /// <summary>Writes the numbers of a parameter, in an order of files, once they are known to be finite.</summary>
    internal static Action<Stream> Writer(TransformerModel model, Parameter parameter, StoredType type,
        StoredLayout layout) =>
        stream =>
        {
            var values = StoredOrder.ToFile(parameter, model.Values(parameter), layout);
            if (!Finite.All(values))
                throw new NumericException("The merged weight has values that are not finite; nothing is written.",
                    parameter.Name, Finite.Remedy);
            WriteFinite(stream, parameter.Name, values, type);
        };

    private static void WriteFinite(Stream stream, string name, float[] values, StoredType type)
    {
        Fitting(name, values, type);
        SafetensorsWriter.WriteSingles(stream, values, type);
    }

    // The type that values are written in, which holds them all.
    private static DType Fitting(string name, float[] values, StoredType type)
    {
        var narrow = type switch
        {
            StoredType.F16 => DType.Float16,
            StoredType.BF16 => DType.BFloat16,
            _ => DType.Float32,
        };
        return Finite.Fit(values, narrow) ? narrow
            : throw new NumericException(
                $"The weight has values that {narrow.Name()} does not hold; nothing is written.", name,
                "Give --dtype fp32 or bf16.");
    }

    private static float[] Values(TransformerModel model, Parameter parameter) =>
        StoredOrder.ToFile(parameter, model.Values(parameter));
}
