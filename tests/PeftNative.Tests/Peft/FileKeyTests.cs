using PeftNative.Formats.Safetensors;
using PeftNative.Peft;
using PeftNative.Peft.Adapters;
using PeftNative.Peft.Lora;
using PeftNative.Peft.Lora.Combining;
using PeftNative.Peft.Matching;
using PeftNative.Tests.Data;
using Xunit;

namespace PeftNative.Tests.Peft;

/// <summary>
/// Adapter files as PEFT writes them by default: the base's tensors beside the adapter's, and parameters under second
/// names.
/// </summary>
public sealed class FileKeyTests : IDisposable
{
    private const string Table = "base_model.model.model.embed_tokens.base_layer.weight";

    private const string Norm = "base_model.model.model.norm.weight";

    private static readonly LoraConfig OnEmbedding = new() { Targets = TargetModules.Of("embed_tokens", "q_proj") };

    private readonly TemporaryFolder folder = new();
    private readonly Setting setting = new("llama");

    public void Dispose()
    {
        setting.Dispose();
        folder.Dispose();
    }

    [Fact]
    public void A_tensor_of_the_base_that_is_the_bases_is_read_without_a_word()
    {
        var expected = Saved(OnEmbedding);
        Rewrite(tensors =>
        {
            tensors[Table] = Base("model.embed_tokens.weight", 1);
            tensors[Norm] = Base("model.norm.weight", 1);
        });
        using var loaded = Load();
        Assert.Empty(loaded.Warnings);
        Assert.Equal(expected, setting.Scores(loaded));
    }

    [Fact]
    public void A_tensor_of_the_base_with_other_values_counts_for_its_adapter_alone_and_is_saved_and_merged_with_it()
    {
        var own = Saved(OnEmbedding);
        var bare = setting.Scores();
        Rewrite(tensors =>
        {
            tensors[Table] = Base("model.embed_tokens.weight", 3);
            tensors[Norm] = Base("model.norm.weight", 2);
        });
        using var loaded = Load();
        var warning = Assert.Single(loaded.Warnings);
        Assert.Contains("model.embed_tokens.weight", warning, StringComparison.Ordinal);
        Assert.Contains("model.norm.weight", warning, StringComparison.Ordinal);
        Assert.Contains(AdapterFolder.Doubts(loaded, folder.Root), d => d.Contains(warning, StringComparison.Ordinal));

        var changed = setting.Scores(loaded);
        Assert.True(Distance(changed, own) > 1e-2);
        Assert.Equal(bare, setting.Scores());
        Assert.Equal(own, setting.Scores(setting.Adapter));
        Assert.DoesNotContain(loaded.Entries, e => e.Parameter.Name == "model.norm.weight");

        AdapterFolder.Save(loaded, folder["again"]);
        using (var again = AdapterFolder.Load(setting.Model, folder["again"]))
            Assert.Equal(changed, setting.Scores(again));
        loaded.Merge();
        Assert.True(Distance(changed, setting.Scores()) < 1e-5);
        loaded.Unmerge();
        Assert.True(Distance(bare, setting.Scores()) < 1e-5);
    }

    [Fact]
    public void A_misshapen_tensor_of_the_base_is_refused_by_name()
    {
        Saved(OnEmbedding);
        Rewrite(tensors => tensors[Table] = ([2, 3], new float[6]));
        Assert.Contains($"{Table} is [2, 3]", Refusal(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("base_model.model.score.weight", "base_model.model.score.modules_to_save.weight")]
    [InlineData("base_model.model.score.weight", "base_model.model.score.modules_to_save.default.weight")]
    [InlineData(".lora_A.weight", ".lora_A.default.weight")]
    [InlineData(".lora_embedding_B", ".lora_embedding_B.some_name")]
    [InlineData(".lora_magnitude_vector", ".lora_magnitude_vector.default.weight")]
    [InlineData(".lora_magnitude_vector", ".lora_magnitude_vector.weight")]
    public void A_parameter_under_its_second_name_is_read(string usual, string second)
    {
        var isDora = usual.Contains("magnitude", StringComparison.Ordinal);
        var expected = Saved(isDora ? new LoraConfig { UseDora = true } : OnEmbedding);
        Rewrite(tensors =>
        {
            foreach (var name in tensors.Keys.Where(k => k.EndsWith(usual, StringComparison.Ordinal)).ToList())
            {
                tensors[name.Replace(usual, second, StringComparison.Ordinal)] = tensors[name];
                tensors.Remove(name);
            }
        });
        using var loaded = Load();
        Assert.Empty(loaded.Warnings);
        Assert.Equal(expected, setting.Scores(loaded));
    }

    [Fact]
    public void A_saved_module_may_be_there_three_times_but_trained_in_one_way_only()
    {
        const string Head = "base_model.model.score";
        var expected = Saved(OnEmbedding);
        Rewrite(tensors =>
        {
            tensors[$"{Head}.modules_to_save.weight"] = tensors[$"{Head}.weight"];
            tensors[$"{Head}.original_module.weight"] = Base("score.weight", 5);
        });
        using (var loaded = Load())
        {
            Assert.Empty(loaded.Warnings);
            Assert.Equal(expected, setting.Scores(loaded));
        }
        Rewrite(tensors => tensors[$"{Head}.modules_to_save.weight"] = Base("score.weight", 5));
        Assert.Contains("are one parameter and have different values", Refusal(), StringComparison.Ordinal);
    }

    [Fact]
    public void Tensors_without_a_place_are_left_out_and_named()
    {
        var expected = Saved(OnEmbedding);
        Rewrite(tensors => tensors["base_model.model.model.layers.7.self_attn.q_proj.lora_A.weight"] = ([1], [1f]));
        using var loaded = Load();
        Assert.Contains("layers.7.self_attn.q_proj.lora_A", Assert.Single(loaded.Warnings), StringComparison.Ordinal);
        Assert.Equal(expected, setting.Scores(loaded));
    }

    [Fact]
    public void Values_that_are_not_finite_are_refused_by_name()
    {
        Saved(OnEmbedding);
        Rewrite(tensors => tensors["base_model.model.score.weight"].Values[1] = float.NaN);
        var error = Assert.Throws<NumericException>(Load);
        Assert.Contains("score.weight", error.Where, StringComparison.Ordinal);
    }

    [Fact]
    public void A_combined_adapter_refuses_the_bases_tensors_of_a_part()
    {
        Saved(new LoraConfig { Targets = TargetModules.Of("q_proj") });
        Rewrite(tensors => tensors[Norm] = Base("model.norm.weight", 2));
        using var loaded = (LoraAdapter)Load();
        var error = Assert.Throws<UsageException>(() => LoraCombiner.Combine([loaded], [1.0], new()));
        Assert.Contains("model.norm.weight", error.What, StringComparison.Ordinal);
    }

    // Scores with a trained adapter of the settings, which is then in the folder.
    private float[] Saved(LoraConfig config)
    {
        var adapter = setting.Add(config);
        setting.Disturb();
        AdapterFolder.Save(adapter, folder.Root);
        return setting.Scores(adapter);
    }

    private Adapter Load() => AdapterFolder.Load(setting.Model, folder.Root);

    private string Refusal() => Assert.Throws<ModelFormatException>(Load).What;

    private (long[] Shape, float[] Values) Base(string name, float factor)
    {
        var parameter = setting.Model.Parameters.Single(p => p.Name == name);
        return ([.. parameter.StoredShape], [.. setting.Model.Values(parameter).Select(v => v * factor)]);
    }

    private void Rewrite(Action<Dictionary<string, (long[] Shape, float[] Values)>> change)
    {
        var path = Path.Combine(folder.Root, AdapterFolder.WeightsName);
        var tensors = new Dictionary<string, (long[] Shape, float[] Values)>();
        using (var file = SafetensorsFile.Open(path))
            foreach (var tensor in file.Tensors)
            {
                var values = new float[tensor.ElementCount];
                file.ReadAs(tensor, values);
                tensors[tensor.Name] = ([.. tensor.Shape], values);
            }
        change(tensors);
        var writer = SafetensorsWriter.ForPyTorch();
        foreach (var (name, (shape, values)) in tensors) writer.Add(name, shape, values);
        writer.Save(path);
    }

    private static float Distance(float[] a, float[] b) => a.Zip(b, (x, y) => MathF.Abs(x - y)).Max();
}
