using PeftNative.Formats.Gguf;
using PeftNative.Models;
using PeftNative.Models.Config;
using PeftNative.Models.Families;
using PeftNative.Models.Layers;
using PeftNative.Tensors;

namespace PeftNative.Peft.Lora.Export;

/// <summary>
/// Writes a LoRA adapter as the GGUF file that llama.cpp takes with <c>--lora</c>. Its tensors are named after those of
/// the base in GGUF, its scale is alpha / r of each pair, and rows follow the order into which llama.cpp's converter
/// puts the base's weights: rotary pairs side by side where the family's <c>Gguf</c> says so, query, key and value
/// apart for "gptneox".
/// </summary>
public static class GgufLora
{
    /// <summary>Writes the file; returns how many modules it adapts.</summary>
    /// <param name="adapter">The adapter.</param>
    /// <param name="path">The file.</param>
    /// <param name="half">Whether numbers are stored in fp16 instead of fp32.</param>
    /// <exception cref="UsageException">The format has no place for something that the adapter or the model
    /// has.</exception>
    /// <exception cref="NumericException">A value is too large for the file's type.</exception>
    /// <exception cref="StorageException">The file cannot be written.</exception>
    public static int Write(LoraAdapter adapter, string path, bool half = false)
    {
        var model = adapter.Model;
        var config = adapter.LoraConfig;
        if (model.Family.Gguf is not { } architecture)
            throw Refusal($"llama.cpp has no language model of the family {model.Config.ModelType}", "Supported: "
                + string.Join(", ", FamilyTable.All.Where(f => f.Gguf is not null).Select(f => f.ModelType)) + ".");
        if (LoraRest.Describe(adapter, _ => false) is { } rest)
            throw Refusal($"a GGUF adapter has no place for {rest}");
        if (model.Task != ModelTask.CausalLM)
            throw Refusal($"the model's task is {model.Task}, and llama.cpp continues texts");

        // To llama.cpp an alpha of 0 says that there is none, so that r would stand in for it.
        var given = config.UseRsLora ? config.Alpha * Math.Sqrt(config.R) : config.Alpha;
        var alpha = (float)(given == 0 ? config.R : given);
        var file = new GgufWriter();
        file.Add("general.architecture", architecture.Name);
        file.Add("general.type", "adapter");
        file.Add("adapter.type", "lora");
        file.Add("adapter.lora.alpha", alpha);
        foreach (var (module, pair) in adapter.Pairs) AddPair(file, model, module, pair, alpha);
        file.Write(path, half);
        return adapter.Pairs.Count;
    }

    private static void AddPair(GgufWriter file, TransformerModel model, string module, LoraPair pair, float alpha)
    {
        var (r, width) = (pair.A.Rows, pair.A.Columns);
        var a = HostValues.Download(model.Backend, pair.A.Value);
        var b = HostValues.Download(model.Backend, pair.B.Value);
        // llama.cpp scales by alpha / r; where this pair's own factor differs (alpha_pattern), B takes up the rest.
        var factor = (float)(pair.Scale * r / alpha);
        if (factor != 1)
            for (var i = 0; i < b.Length; i++) b[i] *= factor;
        if (module == model.Embedding.Path)
        {
            AddEmbeddingPair(file, model, pair, a, b);
            return;
        }
        var site = model.Linears.FirstOrDefault(s => s.Path == module)
            ?? throw Refusal($"an adapter on {module} is not supported in GGUF files");
        var name = NameOf(model, site);
        file.Add(new GgufTensor($"{name}.lora_a", r, width, a));
        file.Add(new GgufTensor($"{name}.lora_b", site.Out, r, Reorder(model, site, b, r)));
    }

    // Of the embedding A lies token by token, as its rows are picked.
    private static void AddEmbeddingPair(GgufWriter file, TransformerModel model, LoraPair pair, float[] a, float[] b)
    {
        if (LoraRest.IsTied(model))
            throw Refusal($"{model.Embedding.Path} is the head too, "
                + "and llama.cpp would apply its adapter to the scores as well");
        var (r, tokens) = (pair.A.Rows, pair.A.Columns);
        var name = GgufArchitecture.NameOf(ModuleRole.TokenEmbedding, null);
        file.Add(new GgufTensor($"{name}.weight.lora_a", tokens, r, HostValues.Transpose(a, r, tokens)));
        file.Add(new GgufTensor($"{name}.weight.lora_b", pair.B.Rows, r, b));
    }

    private static string NameOf(TransformerModel model, LinearSite site)
    {
        if (site.Weight.TiedTo is not null)
            throw Refusal($"{site.Path} is the token embedding itself in this base, and no tensor of its own there");
        return GgufArchitecture.NameOf(site.Role, site.Layer) is { } name ? $"{name}.weight"
            : throw Refusal($"an adapter on {site.Path} is not supported in GGUF files");
    }

    private static float[] Reorder(TransformerModel model, LinearSite site, float[] b, int r)
    {
        var (d, rows) = (model.Config.HeadDim, site.Out);
        Func<int, int>? source = site.Role switch
        {
            // Row 2 i + p of a head comes from row p · d / 2 + i: the two halves of a rotation side by side.
            ModuleRole.Query or ModuleRole.Key when model.Family.Gguf!.Rows == GgufRows.RotaryPairs =>
                row => row / d * d + row % 2 * (d / 2) + row % d / 2,
            // Part p of head h comes from where that head has its query, key and value.
            ModuleRole.FusedQkv when model.Family.Names.FusedByHead =>
                row => row % (rows / 3) / d * (3 * d) + row / (rows / 3) * d + row % d,
            _ => null,
        };
        if (source is null) return b;
        var ordered = new float[b.Length];
        for (var row = 0; row < rows; row++) b.AsSpan(source(row) * r, r).CopyTo(ordered.AsSpan(row * r, r));
        return ordered;
    }

    private static UsageException Refusal(string reason,
        string remedy = "Merge the adapter into the base and convert the whole model instead.") =>
        new($"The adapter cannot be written for llama.cpp: {reason}.", "export", remedy);
}
