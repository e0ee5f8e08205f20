using PeftNative.Models;
using PeftNative.Peft.Matching;

namespace PeftNative.Peft.Adapters;

/// <summary>
/// Heads and poolers that a checkpoint lacks. Left at random numbers, which no file holds, they would be others when
/// the adapter is used: PEFT loses them in silence, here they are trained and saved, or the run is refused.
/// </summary>
internal static class CreatedParts
{
    /// <summary>The settings of a classifier with what was created among modules_to_save.</summary>
    /// <param name="config">The settings as they were asked for.</param>
    /// <param name="model">The model.</param>
    /// <param name="created">Names of parameters; see <see cref="Models.Loading.LoadReport"/>.</param>
    internal static AdapterConfig Save(AdapterConfig config, TransformerModel model, IEnumerable<string> created)
    {
        if (!model.Task.Classifies()) return config;
        var saved = config.ModulesToSaveFor(model);
        List<string> lost = [.. created.Select(n => n[..n.LastIndexOf('.')]).Distinct()
            .Where(module => TargetMatcher.SavedModule(module, saved) is null)];
        return lost.Count == 0 ? config : config with { ModulesToSave = [.. config.ModulesToSave ?? [], .. lost] };
    }

    /// <summary>Makes sure that an adapter trains all that was created.</summary>
    /// <exception cref="ModelFormatException">It does not.</exception>
    internal static void Require(Adapter adapter, IEnumerable<string> created)
    {
        var trained = adapter.Entries.Select(e => e.Parameter.Name).ToHashSet();
        List<string> lost = [.. created.Where(name => !trained.Contains(name))];
        if (lost.Count == 0) return;
        throw new ModelFormatException(
            $"The checkpoint lacks {string.Join(", ", lost)}, and the method neither trains nor saves "
                + (lost.Count == 1 ? "it." : "them."), adapter.Model.Folder,
            adapter.Model.Task.WritesText() ? "Take a checkpoint of the language model, with its head."
                : "Use a method with modules_to_save, such as lora, or a checkpoint that has all.");
    }
}
