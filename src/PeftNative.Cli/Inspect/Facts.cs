using System.Text.Json.Nodes;
using PeftNative.Cli.Output;
using PeftNative.Formats;
using PeftNative.Formats.Json;
using PeftNative.Models.Families;
using PeftNative.Peft;

namespace PeftNative.Cli.Inspect;

/// <summary>What the files beside the weights say, as names and values.</summary>
internal static class Facts
{
    /// <summary>The facts of a path.</summary>
    public static JsonObject Of(InspectedPath path) => path.Kind switch
    {
        PathKind.Adapter => Adapter(path.Path),
        PathKind.Model => Model(path.Path),
        PathKind.Checkpoint => Checkpoint(path.Path),
        PathKind.Run => Run(path),
        _ => path.WeightFiles is [var file] ? Metadata(file) : new JsonObject(),
    };

    private static JsonObject Adapter(string folder)
    {
        if (File.Exists(folder) || !File.Exists(Path.Combine(folder, AdapterFolder.ConfigName))) return [];
        var json = StrictJson.ReadFile(Path.Combine(folder, AdapterFolder.ConfigName));
        var facts = new JsonObject { ["method"] = AdapterFolder.MethodOf(json) ?? "none" };
        foreach (var property in json.Element.EnumerateObject())
        {
            // What is off says nothing about this adapter.
            var isOff = property.Value.ValueKind is System.Text.Json.JsonValueKind.Null
                or System.Text.Json.JsonValueKind.False
                || property.Value.GetRawText() is "{}" or "[]";
            if (!isOff && property.Name is not ("peft_type" or "inference_mode" or "megatron_core"
                or "qalora_group_size" or "base_model_name_or_path"))
                facts[property.Name] = JsonNode.Parse(property.Value.GetRawText());
        }
        facts["base"] = json.GetOptionalString("base_model_name_or_path") ?? "(not recorded)";
        if (AdapterFolder.FindWeights(folder) is { } weights) facts["fits"] = Fits(weights);
        facts["supported"] = Problem(() => AdapterFolder.ReadConfig(folder)) is null;
        return facts;
    }

    // The widths of the layers it was made for, which a base must have.
    private static string Fits(string weights)
    {
        const string A = ".lora_A.weight", B = ".lora_B.weight";
        using var file = TensorFiles.Open(weights);
        var layers = file.Tensors.Where(t => t.Name.EndsWith(A, StringComparison.Ordinal) && t.Shape.Length == 2)
            .Select(t => (Path: t.Name[..^A.Length], In: t.Shape[1]))
            .Where(l => file.TryGet(l.Path + B, out _))
            .Select(l => $"{l.Path[(l.Path.LastIndexOf('.') + 1)..]} {l.In} to {file.Get(l.Path + B).Shape[0]}")
            .Distinct().ToList();
        return layers.Count == 0 ? "(see the tensors)" : string.Join(", ", layers);
    }

    private static JsonObject Model(string folder)
    {
        var path = Path.Combine(folder, "config.json");
        if (!File.Exists(path)) return new JsonObject { ["config"] = "(no config.json)" };
        var json = StrictJson.ReadFile(path);
        var type = json.GetString("model_type", "none");
        var facts = new JsonObject { ["model_type"] = type, ["supported"] = FamilyTable.ModelTypes.Contains(type) };
        if (!FamilyTable.ModelTypes.Contains(type)) return facts;
        if (Problem(() => FamilyTable.Read(folder)) is { } problem)
        {
            (facts["supported"], facts["problem"]) = (false, problem);
            return facts;
        }
        var config = FamilyTable.Read(folder);
        facts["task"] = config.Task?.ToString();
        (facts["layers"], facts["hidden_size"], facts["heads"]) =
            (config.LayerCount, config.HiddenSize, config.HeadCount);
        (facts["kv_heads"], facts["feed_forward_size"]) = (config.KvHeadCount, config.FeedForwardSize);
        (facts["vocabulary"], facts["max_positions"]) = (config.VocabularySize, config.MaxPositions);
        if (config.Labels.Count > 0) facts["labels"] = JsonLines.List(config.Labels);
        return facts;
    }

    private static string? Problem(Action read)
    {
        try
        {
            read();
            return null;
        }
        catch (ModelFormatException e)
        {
            return e.What;
        }
    }

    private static JsonObject Checkpoint(string folder)
    {
        var facts = Adapter(folder);
        var state = StrictJson.ReadFile(Path.Combine(folder, "trainer_state.json"));
        foreach (var property in state.Element.EnumerateObject())
            facts[property.Name] = JsonNode.Parse(property.Value.GetRawText());
        facts["whole"] = Verdict(folder);
        return facts;
    }

    private static JsonObject Run(InspectedPath path)
    {
        var facts = File.Exists(Path.Combine(path.Path, AdapterFolder.ConfigName))
            ? Adapter(path.Path) : new JsonObject();
        facts["best"] = Directory.Exists(Path.Combine(path.Path, "best"));
        foreach (var checkpoint in InspectedPath.Checkpoints(path.Path))
            facts[Path.GetFileName(checkpoint)] = Verdict(checkpoint);
        return facts;
    }

    private static JsonObject Metadata(string file)
    {
        var facts = new JsonObject();
        using var source = TensorFiles.Open(file);
        foreach (var (key, value) in source.Metadata) facts["metadata." + key] = value;
        return facts;
    }

    private static string Verdict(string checkpoint)
    {
        try
        {
            return $"whole, {Quantity.Of(FolderManifest.Verify(checkpoint).Count, "file")} as the manifest says";
        }
        catch (PeftNativeException e)
        {
            return $"damaged: {e.What} ({e.Where})";
        }
    }
}
