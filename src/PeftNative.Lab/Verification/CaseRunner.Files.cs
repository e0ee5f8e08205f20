using PeftNative.Formats.Json;
using PeftNative.Models;
using PeftNative.Models.Families;
using PeftNative.Models.Loading;
using PeftNative.Models.Steps;
using PeftNative.Peft;
using PeftNative.Peft.Adapters;
using PeftNative.Peft.Merging;
using PeftNative.Tensors;

namespace PeftNative.Lab.Verification;

// Adapter folders as users have them: each is read, warned of or refused, and what it computes is compared.
public sealed partial class CaseRunner
{
    // Settings that change what the model itself computes, so that tensors that could be read are not enough.
    private static readonly string[] NotUnderstood =
    [
        "arrow_config", "corda_config", "eva_config", "kasa_config", "layer_replication", "monteclora_config",
        "use_bdlora", "velora_config",
    ];

    private CaseResult ReplayFiles(CaseResult result)
    {
        result = result with { Expect = recorded.Json.GetString("expect") };
        var folder = Path.GetFullPath(Path.Combine(recorded.Folder, recorded.Json.GetString("adapter")));
        var (model, _) = ModelLoader.Load(
            backend, recorded.Base, recorded.Options() with { VocabularySize = VocabularySize(folder) });
        using var owner = model;
        var (batch, places) = recorded.Batch();
        using var run = new ModelRun(model);
        if (recorded.Has("base_logits")) Check("base_logits", Logits(run, batch), places, limits.Outputs);

        Adapter adapter;
        try
        {
            adapter = AdapterFolder.Load(model, folder, trainable: recorded.Json.Has("trainable"));
        }
        catch (PeftNativeException e)
        {
            if (!MayRefuse(folder, e.Message)) failures.Add($"refused: {e.Message}");
            return result with { Got = "error" };
        }
        using var loaded = adapter;
        run.Adapters = [adapter];
        var warned = adapter.Warnings.Count > 0;
        result = result with { Got = warned ? "warns" : "loads" };
        var read = Logits(run, batch);
        if (IsOfHiddenStates)
            read = HostValues.Download(backend, run.LastStates([.. Enumerable.Range(0, batch.Tokens.Length)]));
        result = result with { Logits = CheckRead(read, places, warned, out var truth) };
        if (recorded.Json.Has("trainable"))
        {
            CheckEqual("trainable_parameters", recorded.Json.GetLong("trainable_parameters"), adapter.ParameterCount);
            result = Train(result, adapter, run, batch, places);
        }
        if (truth is not null && recorded.Json.Has("merge_same"))
            result = result with { Merged = CheckMerged(folder, truth, batch, places) };
        return result;
    }

    // What was saved had no head: it is compared by its hidden states, on a model that has one, too.
    private bool IsOfHiddenStates => recorded.Has("saved_logits") && recorded.Task != ModelTask.FeatureExtraction
        && recorded.Json.GetBool("same_as_base", false) && recorded.Shape("saved_logits") is [_, _, var width]
        && width == FamilyTable.Read(recorded.Base).HiddenSize && width != recorded.Shape("logits")[^1];

    // Where the caller of the reference did not resize the base, it grows by itself for what the files hold. Files that
    // cannot be read are refused when they are loaded.
    private int? VocabularySize(string folder)
    {
        var config = FamilyTable.Read(recorded.Base);
        try
        {
            var found = AdapterVocabulary.SizeFor([folder], config, recorded.Task.WritesText());
            if (recorded.Json.GetOptionalInt("base_resized_by") is not { } added) return found;
            if (found is not null) CheckEqual("vocabulary", config.VocabularySize + added, found.Value);
            return config.VocabularySize + added;
        }
        catch (PeftNativeException)
        {
            return null;
        }
    }

    // A reader may be stricter than the reference where that does not do what was trained, or where a setting changes
    // what the model itself computes.
    private bool MayRefuse(string folder, string message)
    {
        if (recorded.Json.GetString("expect") == "error" || !recorded.Json.GetBool("same_as_saved", false)) return true;
        var config = Path.Combine(folder, AdapterFolder.ConfigName);
        if (!File.Exists(config)) return false;
        var json = StrictJson.ReadFile(config);
        return NotUnderstood.Any(key => message.Contains($"'{key}'", StringComparison.Ordinal)
            && json.Has(key) && !AdapterConfig.IsOff(json.Element.GetProperty(key)));
    }

    // The truth is what the file means. Where that is not what was trained, and the reference says so, it has to be
    // said here, or what was trained be reached.
    private double? CheckRead(float[] actual, int[] places, bool warned, out string? truth)
    {
        var isRefused = recorded.Json.GetString("expect") == "error";
        var isWhatWasSaved = recorded.Json.GetBool("same_as_saved", false);
        var isMeaning = isWhatWasSaved || (!isRefused && ErrorOf("logits", actual, places) <= limits.Outputs);
        truth = isMeaning ? "logits" : "saved_logits";
        if (!recorded.Has(truth) || !HasRowsOf(truth, actual, places))
        {
            failures.Add(isRefused
                ? "it was read; the reference refuses it" : "it gives neither what the file means nor what was saved");
            truth = null;
            return null;
        }
        var error = Check(truth, actual, places, limits.Outputs);
        if (!isWhatWasSaved && truth == "logits" && !warned && recorded.Json.GetString("expect") == "warns")
            failures.Add("the file means something else than what was saved, and nothing says so");
        return error;
    }

    private double ErrorOf(string name, float[] actual, int[] places) =>
        recorded.Has(name) && HasRowsOf(name, actual, places) ? RelativeError.Of(actual, Expected(name, places))
            : double.PositiveInfinity;

    // Logits of a model with another head are recorded beside those of this one.
    private bool HasRowsOf(string name, float[] actual, int[] places) =>
        recorded.Shape(name).Length == (recorded.Task == ModelTask.SequenceClassification && !IsOfHiddenStates ? 2 : 3)
        && Expected(name, places).Length == actual.Length;

    private float[] Expected(string name, int[] places) =>
        recorded.Shape(name).Length == 2 ? recorded.Floats(name) : recorded.Rows(name, places);

    // The merged model is what lies on the disk.
    private double? CheckMerged(string folder, string truth, TokenBatch batch, int[] places)
    {
        var output = Directory.CreateTempSubdirectory("peftnative-verify-");
        try
        {
            var merged = Path.Combine(output.FullName, "merged");
            ModelMerger.Merge(backend, recorded.Base, [new AdapterSource(folder)], merged,
                new MergeOptions { VocabularySize = VocabularySize(folder) });
            var (model, _) = ModelLoader.Load(backend, merged, recorded.Options());
            using var owner = model;
            using var run = new ModelRun(model);
            var error = RelativeError.Of(Logits(run, batch), Expected(truth, places));
            errors["merged"] = error;
            if (!(error <= limits.Merged) && !IsRounding("merged", error))
                failures.Add($"merged: {truth} is off by {error:0.0e0} (limit {limits.Merged:0e0})");
            return error;
        }
        catch (PeftNativeException e)
        {
            failures.Add($"not merged: {e.Message}");
            return null;
        }
        finally
        {
            output.Delete(recursive: true);
        }
    }
}
