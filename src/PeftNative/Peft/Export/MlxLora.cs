using System.Text.Json.Nodes;
using PeftNative.Formats;
using PeftNative.Models;
using PeftNative.Peft.Lora;
using PeftNative.Tensors;

namespace PeftNative.Peft.Export;

/// <summary>
/// Writes a LoRA adapter as mlx-lm reads it: adapters.safetensors with A [in, r] and B [r, out] under the module names of the checkpoint, and
/// adapter_config.json with one rank and one scale for all.
/// </summary>
public static class MlxLora
{
    private const string Weights = "adapters.safetensors", Settings = "adapter_config.json";

    /// <summary>Writes the folder; returns how many modules it adapts.</summary>
    /// <exception cref="UsageException">The format has no place for something that the adapter has.</exception>
    /// <exception cref="StorageException">The folder cannot be written.</exception>
    public static int Write(LoraAdapter adapter, string folder)
    {
        var (model, config, pairs) = (adapter.Model, adapter.LoraConfig, adapter.Pairs);
        if (config.UseDora) throw Refusal("DoRA is stored in another way there");
        if (adapter.StoredEntries.Any(e => e.ReplacesInPlace)) throw Refusal("it cannot hold trained biases or modules_to_save");
        if (pairs.Keys.FirstOrDefault(m => !model.Linears.Any(s => s.Path == m)) is { } other) throw Refusal($"an adapter on {other} is not supported");
        if (model.Head.Output is { Weight.TiedTo: not null } head && pairs.ContainsKey(head.Path))
            throw Refusal($"{head.Path} is the token embedding itself in this base, and no module of its own there");
        var (rank, scale) = (pairs.Values.First().A.Rows, pairs.Values.First().Scale);
        if (pairs.Values.Any(p => p.A.Rows != rank || p.Scale != scale)) throw Refusal("it has one rank and one scale for all modules, this adapter has several");

        var layer = model.Family.Names.Under(model.Family.Names.Layer);
        var tensors = new SafetensorsWriter();
        foreach (var (module, pair) in pairs)
        {
            AddTransposed(tensors, model, $"{module}.lora_a", pair.A);
            AddTransposed(tensors, model, $"{module}.lora_b", pair.B);
        }
        AtomicFolder.Write(folder, files =>
        {
            files.WriteTensors(Weights, tensors);
            files.WriteText(Settings, PeftJson.Write(new JsonObject
            {
                ["fine_tune_type"] = "lora",
                ["num_layers"] = model.Config.LayerCount,
                ["lora_parameters"] = new JsonObject
                {
                    ["rank"] = rank, ["scale"] = scale, ["dropout"] = 0.0,
                    ["keys"] = new JsonArray([.. pairs.Keys.Select(m => LocalName(m, layer)).Distinct().Order(StringComparer.Ordinal).Select(k => (JsonNode)k)]),
                },
            }));
        }, name => name is Weights or Settings);
        return pairs.Count;
    }

    // self_attn.q_proj of model.layers.3.self_attn.q_proj.
    private static string LocalName(string module, string layer)
    {
        var before = layer[..layer.IndexOf('{', StringComparison.Ordinal)];
        return module.StartsWith(before, StringComparison.Ordinal) ? module[(module.IndexOf('.', before.Length) + 1)..] : module;
    }

    private static void AddTransposed(SafetensorsWriter tensors, TransformerModel model, string name, Parameter matrix)
    {
        var values = HostValues.Download(model.Backend, matrix.Value);
        var turned = new float[values.Length];
        for (var row = 0; row < matrix.Rows; row++)
        for (var column = 0; column < matrix.Columns; column++)
            turned[column * matrix.Rows + row] = values[row * matrix.Columns + column];
        tensors.Add(name, [matrix.Columns, matrix.Rows], turned);
    }

    private static UsageException Refusal(string reason) =>
        new($"The adapter cannot be written for mlx-lm: {reason}.", "export", "Merge the adapter into the base instead.");
}
