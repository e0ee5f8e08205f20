using PeftNative.Formats.Safetensors;
using PeftNative.Models.Weights;
using PeftNative.Peft.Adapters.Fitting;
using PeftNative.Tensors;

namespace PeftNative.Peft.Adapters;

/// <summary>
/// Gives parameters of an adapter the values of a file, as PEFT's files really are: a parameter may be there under a
/// second name, and the base's own tensors may lie beside it.
/// </summary>
internal sealed class AdapterReader
{
    private const int Most = 4;

    private readonly Adapter adapter;
    private readonly TensorFile file;
    private readonly Dictionary<string, AdapterEntry> open, taken = [];
    private readonly Dictionary<Parameter, StoredTensor> ofBase = [];
    private readonly List<string> problems = [], unplaced = [], mended = [];
    private readonly List<(StoredTensor Tensor, Parameter Parameter)> misshapen = [];

    private AdapterReader(Adapter adapter, TensorFile file, Dictionary<string, AdapterEntry> places) =>
        (this.adapter, this.file, open) = (adapter, file, places);

    /// <summary>Reads a file.</summary>
    /// <param name="adapter">The adapter, which is warned of what is odd.</param>
    /// <param name="file">The file.</param>
    /// <param name="places">What the file must hold, by name.</param>
    /// <exception cref="ModelFormatException">It does not fit; all misfits are listed.</exception>
    /// <exception cref="NumericException">A value is not finite.</exception>
    internal static void Read(Adapter adapter, TensorFile file, Dictionary<string, AdapterEntry> places)
    {
        var reader = new AdapterReader(adapter, file, places);
        var others = file.Tensors.Where(t => !reader.Take(t, t.Name)).ToList();
        foreach (var tensor in others)
            if (!reader.Place(tensor, tensor.Name) && !reader.Mend(tensor)) reader.unplaced.Add(tensor.Name);
        reader.Conclude();
        reader.Carry();
        reader.DoubtNewRows();
    }

    private bool Take(StoredTensor tensor, string name)
    {
        if (!open.Remove(name, out var entry)) return false;
        taken[name] = entry;
        if (Values(tensor, entry.Parameter) is not { } values) return true;
        if (!entry.IsBase) HostValues.Upload(adapter.Model.Backend, values, entry.Parameter.Value);
        else if (!Holds(entry.Parameter, values)) problems.Add($"{tensor.Name} has other values than the base");
        return true;
    }

    // A tensor whose name is none of those that PEFT writes by default.
    private bool Place(StoredTensor tensor, string name)
    {
        var names = AdapterKeys.Spellings(name, adapter.Config.Method.NamedParts).ToList();
        if (adapter.TwinOf(name) is { } twinName) names.Add(twinName);
        if (AdapterKeys.UnderHead(name, adapter.Model.Family) is { } headed)
            names.AddRange([headed, .. AdapterKeys.Spellings(headed, adapter.Config.Method.NamedParts)]);
        if (names.Any(spelling => Take(tensor, spelling))) return true;
        if (names.Find(taken.ContainsKey) is { } twin) CompareTwins(tensor, twin);
        else if (AdapterKeys.WithoutOriginal(name) is { } copied && IsPlace(copied))
            return true; // what a module was before it was trained: out of use while the adapter is in force
        else if (AdapterKeys.BaseParameter(adapter, name) is { } parameter) ofBase[parameter] = tensor;
        else return false;
        return true;
    }

    // One whose name does not even begin as PEFT's do.
    private bool Mend(StoredTensor tensor)
    {
        if (!AdapterKeys.Mended(tensor.Name).Any(name => Take(tensor, name) || Place(tensor, name))) return false;
        mended.Add(tensor.Name);
        return true;
    }

    private bool IsPlace(string name) => taken.ContainsKey(name) || open.ContainsKey(name);

    private void CompareTwins(StoredTensor tensor, string twin)
    {
        var parameter = taken[twin].Parameter;
        if (Values(tensor, parameter) is { } values && !Holds(parameter, values))
            problems.Add($"{tensor.Name} and {twin} are one parameter and have different values");
    }

    // The tensor in the engine's order; null, and a problem noted, when it cannot be the parameter's.
    private float[]? Values(StoredTensor tensor, Parameter parameter)
    {
        if (!tensor.Shape.AsSpan().SequenceEqual(parameter.StoredShape))
        {
            misshapen.Add((tensor, parameter));
            problems.Add($"{tensor.Name} is [{string.Join(", ", tensor.Shape)}], "
                + $"expected [{string.Join(", ", parameter.StoredShape)}]");
            return null;
        }
        var values = new float[parameter.Count];
        file.ReadAs(tensor, values);
        if (!Finite.All(values))
            throw new NumericException("The adapter has values that are not finite.", $"{tensor.Name} in {file.Path}",
                "Take an earlier checkpoint of its run, or train it again with a lower learning rate.");
        return StoredOrder.FromFile(parameter, values);
    }

    // Whether the numbers in force are those of the file, to the rounding of the type that they are kept in; but for
    // the last ones.
    private bool Holds(Parameter parameter, float[] values, int except = 0)
    {
        using var scratch = new Arena(adapter.Model.Backend, "dequantised weight");
        var own = adapter.Model.Dense(parameter.TiedTo ?? parameter, scratch);
        var rounded = values.ToArray();
        HostValues.Round(rounded, own.Type);
        var held = HostValues.Download(adapter.Model.Backend, own);
        return held.AsSpan(..^except).SequenceEqual(rounded.AsSpan(..^except));
    }

    private void Conclude()
    {
        if (!AreLeftOut(open.Values)) problems.AddRange(open.Keys.Select(k => $"missing: {k}"));
        else if (open.Count > 0)
            adapter.Warn("its file lacks the biases that were trained, as files of PEFT before 0.20.1 do; "
                + "those of the base are used");
        var type = adapter.Model.Config.ModelType;
        if (problems.Count > 0 || IsOfAnotherBase)
            throw MisfitFinder.Find(adapter.Model, Folder, file, misshapen).ToError(type, "In its file: "
                + string.Join("; ", new[] { problems, [.. unplaced.Select(n => $"unexpected: {n}")] }
                    .Where(l => l.Count > 0).Select(l => Listed(l, "; "))) + "."
                + (adapter.HintOfMisfit is { } hint ? $" Note that {hint}." : ""), file.Path, Folder);
        if (unplaced.Count > 0)
            adapter.Warn($"its file holds tensors that this {type} model has no place for; "
                + $"they were left out: {Listed(unplaced, ", ")}");
        if (mended.Count > 0)
            adapter.Warn($"names of its tensors do not begin as in PEFT's files, which would pass them over; "
                + $"they were read all the same: {Listed(mended, ", ")}");
    }

    // Biases of adapted layers that are trained along (bias "lora_only"); none of them was saved.
    private bool AreLeftOut(IReadOnlyCollection<AdapterEntry> missing) => missing.All(IsBias)
        && taken.Count > 0 && !taken.Values.Any(IsBias);

    private static bool IsBias(AdapterEntry entry) =>
        entry.ReplacesInPlace && entry.Key.EndsWith(".base_layer.bias", StringComparison.Ordinal);

    // A few strays are left out, as the reference leaves out any number of them without a word. But half of an adapter
    // is another adapter, and strays in the file of another base are layers or modules that this one lacks.
    private bool IsOfAnotherBase => unplaced.Count > 0 && (2 * unplaced.Count >= file.Tensors.Length
        || (adapter.Model.Folder is { } model && BaseIdentity.IsOther(Folder, model, adapter.Model.Merged)));

    private string Folder => Path.GetDirectoryName(file.Path)!;

    // The reference writes such tensors over the base, for every adapter; here they count for their own adapter alone.
    private void Carry()
    {
        List<string> carried = [];
        foreach (var (parameter, tensor) in ofBase)
        {
            var inForce = adapter.Replacement(parameter.Index) ?? parameter;
            if (Values(tensor, parameter) is not { } values) continue;
            var added = adapter.Model.HasRowsOfTokens(parameter) ? adapter.Model.AddedTokens : 0;
            var isKnown = Holds(inForce, values, except: added * parameter.Columns);
            if (isKnown && added == 0) continue; // what made a base grow is saved again
            adapter.Carry(parameter, values, tensor.Name);
            foreach (var other in TiedWith(parameter))
                if (adapter.Replacement(other.Index) is null && !ofBase.ContainsKey(other))
                    adapter.Carry(other, values, key: null);
            if (!isKnown) carried.Add(parameter.Name);
        }
        if (problems.Count > 0) Conclude();
        if (carried.Count > 0)
            adapter.Warn($"its file holds other values than the base for {Listed(carried, ", ")}; "
                + "they count for this adapter alone");
    }

    // Rows for added tokens of which neither the base nor the adapter knows the numbers.
    private void DoubtNewRows()
    {
        var model = adapter.Model;
        if (model.AddedTokens == 0) return;
        var unknown = model.Parameters
            .Where(p => model.HasRowsOfTokens(p) && adapter.Replacement(p.Index) is null).Select(p => p.Name).ToList();
        if (unknown.Count > 0)
            adapter.Warn($"its file lacks the rows of the {model.AddedTokens} added tokens in "
                + $"{string.Join(" and ", unknown)}; each is the mean of the others");
    }

    private IEnumerable<Parameter> TiedWith(Parameter parameter) => adapter.Model.Parameters.Where(p =>
        p != parameter && (p.TiedTo ?? p) == (parameter.TiedTo ?? parameter));

    private static string Listed(List<string> names, string separator) =>
        string.Join(separator, names.Take(Most))
        + (names.Count > Most ? $"{separator}and {names.Count - Most} more" : "");
}
