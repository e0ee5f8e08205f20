using PeftNative.Backends.Reference;
using PeftNative.Formats.Json;
using PeftNative.Models.Config;
using PeftNative.Models.Families;
using PeftNative.Models.Loading;
using PeftNative.Tensors;
using Xunit;

namespace PeftNative.Tests.Models;

/// <summary>What modules are for and in which layer they stand, and what other programs call them by that.</summary>
public sealed class ModuleRoleTests
{
    [Fact]
    public void A_decoder_behind_an_encoder_counts_its_own_layers()
    {
        using var backend = ReferenceBackend.Create(DType.Float32);
        using var model = TinyModels.Create(backend, "t5", ModelTask.SequenceToSequence);
        foreach (var site in model.Linears.Where(site => site != model.Head.Output))
            Assert.Contains($".block.{site.Layer}.", site.Path, StringComparison.Ordinal);
        Assert.Equal((ModuleRole.Head, null), (model.Head.Output!.Role, model.Head.Output.Layer));
        Assert.Equal(2 + 2 * 3, model.Linears.Count(site => site.Role == ModuleRole.Value));
    }

    [Theory]
    [InlineData("llama"), InlineData("llama-tied-rope3"), InlineData("qwen2"), InlineData("qwen3")]
    [InlineData("gemma2"), InlineData("gemma3"), InlineData("phi3"), InlineData("gpt2")]
    public void Gguf_files_call_tensors_by_role_and_layer(string name)
    {
        var path = SharedFolder.PathOrSkip($"recorded/gguf/models/{name}/case.json");
        var json = StrictJson.ReadFile(path);
        using var backend = ReferenceBackend.Create(DType.Float32);
        var config = FamilyTable.Read(json.GetOptionalObject("config")!) with { Task = ModelTask.CausalLM };
        using var model = ModelLoader.CreateRandom(backend, config, seed: 1);
        var modules = model.Modules.ToDictionary(module => module.Path);
        var count = 0;
        foreach (var tensor in json.Element.GetProperty("tensors").EnumerateArray())
        {
            if (tensor.GetProperty("hf").GetString() is not { } own) continue; // made by the converter
            var end = own.LastIndexOf('.');
            var module = modules[own[..end]];
            var theirs = GgufArchitecture.NameOf(module.Role, module.Layer);
            Assert.Equal(tensor.GetProperty("gguf").GetString(), theirs + own[end..]);
            count++;
        }
        Assert.Equal(model.Parameters.Count(p => p.TiedTo is null), count);
    }

    [Fact]
    public void No_family_has_taken_over_the_architecture_of_another_by_mistake()
    {
        var shared = FamilyTable.All.Where(family => family.Gguf is not null).GroupBy(family => family.Gguf!.Name)
            .Where(group => group.Count() > 1).Select(group => group.Select(family => family.ModelType));
        Assert.Equal([["llama", "mistral"]], shared);
    }

    [Theory]
    [InlineData(ModelTask.SequenceClassification), InlineData(ModelTask.TokenClassification)]
    public void A_family_without_classifiers_gets_none(ModelTask task)
    {
        using var backend = ReferenceBackend.Create(DType.Float32);
        var error = Assert.Throws<UsageException>(() => TinyModels.Create(backend, "granite", task).Dispose());
        Assert.Contains("A granite model has no classifier", error.What, StringComparison.Ordinal);
    }

    [Fact]
    public void A_method_with_other_defaults_leaves_the_rest_as_they_are()
    {
        var llama = FamilyTable.Find("llama", "").Targets;
        var other = llama.With("ia3", "up_proj");
        Assert.Equal(["up_proj"], other.Of("ia3"));
        Assert.Equal(["k_proj", "v_proj", "down_proj"], llama.Of("ia3"));
        Assert.Equal(llama.Of("lora"), other.Of("lora"));
        Assert.Empty(other.Of("no method"));
    }
}
