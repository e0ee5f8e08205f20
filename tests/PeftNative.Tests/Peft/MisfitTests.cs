using System.Text.Json.Nodes;
using PeftNative.Formats.Safetensors;
using PeftNative.Peft;
using PeftNative.Peft.Lora;
using PeftNative.Peft.Matching;
using PeftNative.Tests.Data;
using Xunit;

namespace PeftNative.Tests.Peft;

/// <summary>
/// An adapter that does not fit says which of a few reasons it is; names that only begin oddly are read.
/// </summary>
public sealed class MisfitTests : IDisposable
{
    private const string Root = "base_model.model.", Query = Root + "model.layers.1.self_attn.q_proj.lora_A.weight";

    private readonly TemporaryFolder folder = new();
    private readonly Setting llama = new("llama");

    public MisfitTests()
    {
        llama.Add(new LoraConfig { Targets = TargetModules.Of("q_proj", "v_proj"), R = 2 });
        llama.Disturb();
        AdapterFolder.Save(llama.Adapter, folder.Root);
    }

    public void Dispose()
    {
        llama.Dispose();
        folder.Dispose();
    }

    [Theory]
    [InlineData(AdapterMisfit.OtherFamily, "transformer.h.N.attn.c_attn, as in gpt2")]
    [InlineData(AdapterMisfit.OtherBase, "with a layer 9 where this one has 2")]
    public void Names_of_modules_say_whose_they_are(AdapterMisfit expected, string said)
    {
        Rewrite(name => expected == AdapterMisfit.OtherBase
            ? name.Replace("layers.1", "layers.9", StringComparison.Ordinal)
            : name.Replace("model.layers", "transformer.h", StringComparison.Ordinal)
                .Replace("self_attn.q_proj", "attn.c_attn", StringComparison.Ordinal)
                .Replace("self_attn.v_proj", "attn.c_proj", StringComparison.Ordinal));
        Expect(expected, said);
        if (expected != AdapterMisfit.OtherFamily) return;
        Change(config => config["target_modules"] = new JsonArray("c_attn", "c_proj")); // as its file really says
        Expect(expected, said);
    }

    [Theory]
    [InlineData(AdapterMisfit.OtherBase, Query, 2, 48, "48 wide at model.layers.1.self_attn.q_proj where this one is")]
    [InlineData(AdapterMisfit.Incomplete, Query, 3, 0, "have 3 where its settings ask for 2")]
    [InlineData(AdapterMisfit.OtherHead, Root + "score.weight", 7, 0, "its head score has 7 outputs, this model's 3")]
    [InlineData(AdapterMisfit.ResizedVocabulary, Root + "model.embed_tokens.weight", 99, 0,
        "its vocabulary was resized, beyond the")]
    public void Sizes_say_what_is_another(AdapterMisfit expected, string tensor, int rows, int columns, string said)
    {
        Rewrite(name => name, tensor, (rows, columns));
        Expect(expected, said);
    }

    [Fact]
    public void What_is_missing_or_from_a_later_release_is_told_apart()
    {
        Rewrite(name => name == Query ? null : name);
        Expect(AdapterMisfit.Incomplete, "missing: " + Query);
        Change(config => config["peft_version"] = "0.99.1");
        Expect(AdapterMisfit.NewerFormat, "PEFT 0.99.1 wrote it");
        Change(config => config["layer_replication"] = new JsonArray(new JsonArray(0, 1)));
        Expect(AdapterMisfit.NewerFormat, "'layer_replication' is not supported");
        Change(config => config["peft_version"] = "0.18.0.dev0");
        Expect(AdapterMisfit.NotSupported, "'layer_replication' is not supported");
        Change(config => config["peft_type"] = "LOHA");
        Expect(AdapterMisfit.NotSupported, "The method LOHA is not supported");
        File.Delete(folder["adapter_model.safetensors"]);
        Change(config => (config["peft_type"], config["layer_replication"]) = ("LORA", null));
        Expect(AdapterMisfit.Incomplete, "has no adapter_model.safetensors");
    }

    [Theory]
    [InlineData("module.", Root)]
    [InlineData("_orig_mod.", Root)]
    [InlineData("_orig_mod.module.", Root)]
    [InlineData(Root + "_orig_mod.", Root)]
    [InlineData(Root + "module.", Root)]
    [InlineData("", Root)]
    [InlineData("", Root + "model.")]
    public void Names_that_begin_oddly_are_read_with_a_warning(string beginning, string inPlaceOf)
    {
        var expected = llama.Scores(llama.Adapter);
        Rewrite(name => beginning + name[inPlaceOf.Length..].Replace("layers.1", "layers.1._orig_mod",
            StringComparison.Ordinal), only: inPlaceOf);
        using var read = AdapterFolder.Load(llama.Model, folder.Root);
        Assert.Equal(expected, llama.Scores(read));
        Assert.Contains("do not begin as in PEFT's files", Assert.Single(read.Warnings), StringComparison.Ordinal);
    }

    [Fact]
    public void Biases_that_older_files_lack_are_those_of_the_base()
    {
        using var bert = new Setting("bert");
        bert.Add(new LoraConfig { Bias = BiasTraining.LoraOnly, Targets = TargetModules.Of("query") });
        AdapterFolder.Save(bert.Adapter, folder.Root);
        Rewrite(name => name.EndsWith("base_layer.bias", StringComparison.Ordinal) ? null : name);
        using (var read = AdapterFolder.Load(bert.Model, folder.Root))
            Assert.Contains("lacks the biases", Assert.Single(read.Warnings), StringComparison.Ordinal);
        AdapterFolder.Save(bert.Adapter, folder.Root);
        Rewrite(name => name.Contains("layer.1.attention.self.query.base_layer", StringComparison.Ordinal)
            ? null : name);
        Expect(AdapterMisfit.Incomplete, "layer.1.attention.self.query.base_layer.bias", bert);
    }

    [Fact]
    public void A_tensor_of_the_base_belongs_to_its_adapter_alone()
    {
        var (bare, other) = (llama.Scores(), llama.Scores(llama.Adapter));
        AdapterFolder.Save(llama.Adapter, folder["first"]);
        Rewrite(name => name, Root + "model.layers.0.self_attn.k_proj.weight", (0, 0), add: true);
        using var first = AdapterFolder.Load(llama.Model, folder.Root);
        using var second = AdapterFolder.Load(llama.Model, folder["first"]);
        Assert.Contains("they count for this adapter alone", Assert.Single(first.Warnings), StringComparison.Ordinal);
        Assert.NotEqual(other, llama.Scores(first));
        Assert.Equal(other, llama.Scores(second));
        Assert.Equal(bare, llama.Scores());
    }

    private void Expect(AdapterMisfit expected, string said, Setting? on = null)
    {
        var error = Assert.Throws<ModelFormatException>(
            () => AdapterFolder.Load((on ?? llama).Model, folder.Root).Dispose());
        Assert.Equal(expected, error.Misfit);
        Assert.Contains(said, error.What, StringComparison.Ordinal);
        Assert.NotNull(error.Remedy);
    }

    private void Change(Action<JsonObject> change)
    {
        var path = folder["adapter_config.json"];
        var config = (JsonObject)JsonNode.Parse(File.ReadAllText(path))!;
        change(config);
        File.WriteAllText(path, config.ToJsonString());
    }

    // Other names, null for none; one tensor of another size, where 0 keeps one; what does not begin so keeps its name.
    private void Rewrite(Func<string, string?> rename, string? tensor = null, (int Rows, int Columns) size = default,
        bool add = false, string only = "")
    {
        var path = folder["adapter_model.safetensors"];
        var writer = SafetensorsWriter.ForPyTorch();
        var isThere = false;
        using (var file = SafetensorsFile.Open(path))
            foreach (var old in file.Tensors)
            {
                isThere |= old.Name == tensor;
                if ((old.Name.StartsWith(only, StringComparison.Ordinal) ? rename(old.Name) : old.Name) is { } name)
                    Add(name, [.. old.Shape], old.Name == tensor ? size : default, file, old);
            }
        if (tensor is not null && !isThere)
        {
            var own = llama.Model.Parameters.Single(p => Root + p.Name == tensor);
            Add(tensor, [.. own.StoredShape], size, null, null);
        }
        Assert.Equal(add, tensor is not null && !isThere && size == default);
        writer.Save(path);

        void Add(string name, long[] shape, (int Rows, int Columns) wanted, SafetensorsFile? file, StoredTensor? old)
        {
            if (wanted.Rows > 0) shape[0] = wanted.Rows;
            if (wanted.Columns > 0) shape[1] = wanted.Columns;
            var values = new float[shape.Aggregate(1L, (a, b) => a * b)];
            if (old is not null && wanted == default) file!.ReadAs(old, values);
            writer.Add(name, shape, values);
        }
    }
}
