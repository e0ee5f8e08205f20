using PeftNative.Formats.Json;
using PeftNative.Formats.Safetensors;
using PeftNative.Models;
using PeftNative.Models.Families;
using PeftNative.Models.Loading;
using PeftNative.Models.Steps;
using PeftNative.Ops;
using PeftNative.Quantization;

namespace PeftNative.Lab.Verification;

/// <summary>
/// One recorded case of a reference implementation: a folder with case.json, tensors.safetensors and what the reference
/// saved. Used by one thread at a time.
/// </summary>
public sealed class RecordedCase : IDisposable
{
    private readonly SafetensorsFile tensors;

    /// <summary>Opens a case folder.</summary>
    public RecordedCase(string root, string folder)
    {
        Root = root;
        Folder = folder;
        Json = StrictJson.ReadFile(Path.Combine(folder, "case.json"));
        tensors = SafetensorsFile.Open(Path.Combine(folder, "tensors.safetensors"));
    }

    /// <summary>The folder that holds bases/ and cases/.</summary>
    public string Root { get; }

    /// <summary>The case's folder.</summary>
    public string Folder { get; }

    /// <summary>case.json.</summary>
    public StrictObject Json { get; }

    /// <summary>Name of the case.</summary>
    public string Name => Path.GetFileName(Folder);

    /// <summary>train, adapterhub, weighted, mixed, qlora, quantized-base or files.</summary>
    public string Kind => Json.GetString("kind");

    /// <summary>What was trained: lora..., dora, full, head, ...</summary>
    public string Method => Json.GetString("method");

    /// <summary>The checkpoint folder.</summary>
    public string Base => Path.Combine(Root, Json.GetString("base"));

    /// <summary>The task of the model.</summary>
    public ModelTask Task => Json.GetString("task", "causal") switch
    {
        "causal" => ModelTask.CausalLM,
        "seq2seq" => ModelTask.SequenceToSequence,
        "tok" => ModelTask.TokenClassification,
        "headless" => ModelTask.FeatureExtraction,
        "cls" or "reg" or "multi" => ModelTask.SequenceClassification,
        var other => throw Json.Error("task", $"The task '{other}' is not supported."),
    };

    /// <summary>
    /// Model options of the case: labels come from the recorded logits, because a checkpoint may have no head.
    /// </summary>
    public ModelOptions Options()
    {
        var labels = !Task.Classifies() ? 0 : (int)tensors.Get(Has("base_logits") ? "base_logits" : "logits").Shape[^1];
        return new ModelOptions
        {
            Task = Task,
            Labels = [.. Enumerable.Range(0, labels).Select(i => $"LABEL_{i}")],
            Quantization = Quantization(),
            ProblemType = Json.GetString("task", "causal") switch
            {
                "reg" => ProblemType.Regression,
                "multi" => ProblemType.MultiLabel,
                _ => ProblemType.SingleLabel,
            },
        };
    }

    // What was recorded of 4-bit bases was computed by bitsandbytes' AVX-512 kernel.
    private QuantizationOptions? Quantization()
    {
        // Of a base that is quantised in its files they say how it was made.
        if (Kind == "quantized-base" || Json.GetOptionalObject("quant") is not { } quant) return null;
        var type = quant.GetString("type");
        return new QuantizationOptions
        {
            Type = type switch
            {
                "nf4" => QuantizationType.Nf4,
                "fp4" => QuantizationType.Fp4,
                _ => throw quant.Error("type", $"The quantisation '{type}' is not supported."),
            },
            BlockSize = quant.GetInt("blocksize"), DoubleQuantization = quant.GetBool("double_quant", false),
            Skip = quant.GetStringList("skip"), ReadsMaximaByRow = true,
        };
    }

    /// <summary>The bytes of a recorded tensor.</summary>
    public byte[] Bytes(string name) => tensors.Bytes(tensors.Get(name)).ToArray();

    /// <summary>Whether a tensor was recorded.</summary>
    public bool Has(string name) => tensors.TryGet(name, out _);

    /// <summary>Names of recorded tensors with a prefix, the prefix taken off.</summary>
    public IEnumerable<string> Names(string prefix) =>
        tensors.Tensors.Select(t => t.Name).Where(n => n.StartsWith(prefix, StringComparison.Ordinal))
        .Select(n => n[prefix.Length..]);

    /// <summary>Shape of a recorded tensor.</summary>
    public long[] Shape(string name) => [.. tensors.Get(name).Shape];

    /// <summary>A recorded float tensor.</summary>
    public float[] Floats(string name)
    {
        var tensor = tensors.Get(name);
        var values = new float[tensor.ElementCount];
        tensors.ReadAs(tensor, values);
        return values;
    }

    /// <summary>
    /// The rows of a recorded tensor [sequences, time, width] that belong to kept tokens, in the order of the engine.
    /// Where its time is longer than that of the inputs, each sequence has rows of virtual tokens in front.
    /// </summary>
    public float[] Rows(string name, int[] places)
    {
        var shape = Shape(name);
        var (all, width) = (Floats(name), (int)shape[2]);
        var time = (int)Shape(Task == ModelTask.SequenceToSequence ? "inputs.labels" : "inputs.input_ids")[1];
        var virtuals = (int)shape[1] - time;
        var rows = new List<int>();
        foreach (var place in places)
        {
            var (sequence, token) = Math.DivRem(place, time);
            var first = sequence * (time + virtuals);
            if (token == 0) rows.AddRange(Enumerable.Range(first, virtuals));
            rows.Add(first + virtuals + token);
        }
        return [.. rows.SelectMany(r => all[(r * width)..((r + 1) * width)])];
    }

    /// <summary>A recorded int64 tensor.</summary>
    public int[] Integers(string name)
    {
        var tensor = tensors.Get(name);
        var values = System.Runtime.InteropServices.MemoryMarshal.Cast<byte, long>(tensors.Bytes(tensor));
        var result = new int[values.Length];
        for (var i = 0; i < result.Length; i++) result[i] = checked((int)values[i]);
        return result;
    }

    /// <summary>
    /// The recorded batch without its padding, and for every kept token its place in the padded matrix.
    /// </summary>
    public (TokenBatch Batch, int[] Places) Batch()
    {
        var ids = Integers("inputs.input_ids");
        var mask = Has("inputs.attention_mask") ? Integers("inputs.attention_mask") : null;
        var types = Has("inputs.token_type_ids") ? Integers("inputs.token_type_ids") : null;
        var shape = Shape("inputs.input_ids");
        int rows = (int)shape[0], time = (int)shape[1];
        var places = Enumerable.Range(0, ids.Length).Where(i => mask is null || mask[i] != 0).ToArray();
        var offsets = Enumerable.Range(0, rows + 1).Select(r => places.Count(p => p < r * time)).ToArray();
        var batch = new TokenBatch(Pick(ids), offsets, [.. places.Select(p => p % time)],
            types is null ? null : Pick(types));
        return Task == ModelTask.SequenceToSequence ? DecoderBatch(batch) : (batch, places);

        int[] Pick(int[] values) => [.. places.Select(p => values[p])];
    }

    // The decoder is given its targets one place later; the reference gives padding where there is no target, and
    // computes with it.
    private (TokenBatch Batch, int[] Places) DecoderBatch(TokenBatch source)
    {
        var config = FamilyTable.Read(Base);
        var (labels, shape) = (Integers("inputs.labels"), Shape("inputs.labels"));
        int rows = (int)shape[0], time = (int)shape[1];
        var given = labels.Select((_, i) => i % time == 0 ? config.DecoderStartTokenId : labels[i - 1] is var l and >= 0
            ? l : config.PadTokenId ?? 0);
        var offsets = Enumerable.Range(0, rows + 1).Select(r => r * time).ToArray();
        return (new TokenBatch([.. given], offsets) { Source = source }, [.. Enumerable.Range(0, rows * time)]);
    }

    /// <summary>The targets of the recorded batch.</summary>
    public Targets Targets(int[] places)
    {
        switch (Json.GetString("task", "causal"))
        {
            case "causal" or "tok" or "seq2seq":
                var labels = Integers("inputs.labels");
                return Models.Targets.PerToken([.. places.Select(p => labels[p])]);
            case "reg":
                return Models.Targets.PerOutput(Floats("inputs.labels"), RegressionLoss.MeanSquaredError);
            case "multi":
                return Models.Targets.PerOutput(Floats("inputs.labels"), RegressionLoss.BinaryCrossEntropy);
            default:
                return Models.Targets.PerSequence(Integers("inputs.labels"));
        }
    }

    /// <inheritdoc/>
    public void Dispose() => tensors.Dispose();
}
