using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using PeftNative.Formats;
using PeftNative.Formats.Json;
using PeftNative.Formats.Safetensors;
using PeftNative.Models;
using PeftNative.Tensors;

namespace PeftNative.Peft.Lora.Export;

/// <summary>
/// Writes a LoRA adapter as mlx-lm reads it: adapters.safetensors with A [in, r], B [r, out] and DoRA's m [out] under
/// the module names of its own models, and adapter_config.json with one rank and one scale for all: smaller ranks are
/// filled up with zeros, and B takes up other scales.
/// </summary>
public static partial class MlxLora
{
    private const string Weights = "adapters.safetensors", Settings = "adapter_config.json";

    /// <summary>Writes the folder; returns how many modules it adapts.</summary>
    /// <exception cref="UsageException">
    /// The format has no place for something that the adapter has, or mlx-lm has no such model.
    /// </exception>
    /// <exception cref="NumericException">A value is not finite.</exception>
    /// <exception cref="StorageException">The folder cannot be written.</exception>
    public static int Write(LoraAdapter adapter, string folder)
    {
        var (model, pairs) = (adapter.Model, adapter.Pairs);
        Require(adapter);
        // Not zero, so that every scale is a multiple of it.
        var scale = pairs.Values.Select(p => p.Scale).FirstOrDefault(s => s != 0, 1);
        var rank = pairs.Values.Max(p => p.A.Rows);
        var keys = pairs.Keys.Select(m => LocalName(NameOf(model, m))).Distinct().Order(StringComparer.Ordinal);
        var tensors = new SafetensorsWriter();
        foreach (var (module, pair) in pairs)
            AddPair(tensors, model, NameOf(model, module), pair, rank, (float)(pair.Scale / scale));
        foreach (var (path, magnitude) in adapter.Magnitudes)
            Add(tensors, $"{NameOf(model, path)}.m", [magnitude.Columns],
                HostValues.Download(model.Backend, magnitude.Value));
        AtomicFolder.Write(folder, files =>
        {
            files.WriteTensors(Weights, tensors);
            files.WriteText(Settings, PeftJson.Write(new JsonObject
            {
                ["fine_tune_type"] = adapter.LoraConfig.UseDora ? "dora" : "lora",
                ["num_layers"] = model.Config.LayerCount,
                ["lora_parameters"] = new JsonObject
                {
                    ["rank"] = rank, ["scale"] = scale, ["dropout"] = 0.0,
                    ["keys"] = new JsonArray([.. keys.Select(k => (JsonNode)k)]),
                },
            }));
        }, name => name is Weights or Settings);
        return pairs.Count;
    }

    private static void Require(LoraAdapter adapter)
    {
        var model = adapter.Model;
        if (model.Family.MlxNames is null)
            throw Refusal($"it has no model of the family {model.Config.ModelType}");
        var magnitudes = adapter.Magnitudes.Select(m => m.Magnitude).ToHashSet();
        if (LoraRest.Describe(adapter, magnitudes.Contains) is { } rest)
            throw Refusal($"an adapter has no place there for {rest}");
        if (model.Task != ModelTask.CausalLM)
            throw Refusal($"the model's task is {model.Task}, and mlx-lm continues texts");
        if (adapter.Pairs.ContainsKey(model.Embedding.Path) && LoraRest.IsTied(model))
            throw Refusal($"{model.Embedding.Path} is the head too, "
                + "and mlx-lm would apply its adapter to the scores as well");
        if (adapter.Pairs.ContainsKey(model.Head.Output!.Path) && LoraRest.IsTied(model))
            throw Refusal($"{model.Head.Output!.Path} is the token embedding itself in this base, "
                + "and no module of its own there");
    }

    private static void AddPair(SafetensorsWriter tensors, TransformerModel model, string name, LoraPair pair,
        int rank, float factor)
    {
        var (r, inputs, outputs) = (pair.A.Rows, pair.A.Columns, pair.B.Rows);
        // Rows of zeros below A, and below B's transpose, add nothing to the product.
        var a = new float[rank * inputs];
        HostValues.Download(model.Backend, pair.A.Value, a.AsSpan(0, r * inputs));
        var b = new float[rank * outputs];
        HostValues.Transpose(HostValues.Download(model.Backend, pair.B.Value), outputs, r).CopyTo(b, 0);
        if (factor != 1)
            for (var i = 0; i < b.Length; i++) b[i] *= factor;
        Add(tensors, $"{name}.lora_a", [inputs, rank], HostValues.Transpose(a, rank, inputs));
        Add(tensors, $"{name}.lora_b", [rank, outputs], b);
    }

    private static void Add(SafetensorsWriter tensors, string name, long[] shape, float[] values)
    {
        if (!Finite.All(values))
            throw new NumericException("The tensor has values that are not finite; nothing is written.", name,
                Finite.Remedy);
        tensors.Add(name, shape, values);
    }

    // Its tensors are read by name, and others are passed over in silence.
    private static string NameOf(TransformerModel model, string module)
    {
        foreach (var (own, theirs) in model.Family.MlxNames!)
            if (module.StartsWith(own, StringComparison.Ordinal)) return theirs + module[own.Length..];
        return module;
    }

    // self_attn.q_proj of model.layers.3.self_attn.q_proj; what is in no layer goes by its whole name.
    private static string LocalName(string module) => Layer().Replace(module, "", 1);

    [GeneratedRegex(@"^.*?\.\d+\.")]
    private static partial Regex Layer();

    private static UsageException Refusal(string reason) =>
        new($"The adapter cannot be written for mlx-lm: {reason}.", "export",
            "Merge the adapter into the base instead.");
}
