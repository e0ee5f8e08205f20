using PeftNative.Data.Reading;

namespace PeftNative.Data.Records;

/// <summary>The labels of a data set and the index of each. Immutable; safe to use from several threads.</summary>
public sealed class LabelVocabulary
{
    private readonly Dictionary<string, int> _indices;
    private readonly bool _namesAreNumbers, _isMultiHot;

    private LabelVocabulary(ProblemType problem, IReadOnlyList<string> names, bool isMultiHot)
    {
        (Problem, Names, _isMultiHot) = (problem, names, isMultiHot);
        _indices = names.Select((name, i) => (name, i)).ToDictionary(p => p.name, p => p.i);
        _namesAreNumbers = names.All(name => long.TryParse(name, out _));
    }

    /// <summary>What is learned.</summary>
    public ProblemType Problem { get; }

    /// <summary>The labels by index (<c>id2label</c>); for regression one, named <c>LABEL_0</c>.</summary>
    public IReadOnlyList<string> Names { get; }

    /// <summary>The number of outputs of the model's head (<c>num_labels</c>).</summary>
    public int Count => Names.Count;

    /// <summary>
    /// Finds the labels of the records. Names are sorted by their code units; whole numbers by value, and as indices
    /// themselves where they are 0 to n-1; numbers with a decimal point mean regression; lists mean several labels per
    /// record.
    /// </summary>
    /// <param name="records">
    /// All records of the training data (of the evaluation data where <paramref name="modelLabels"/> is given).
    /// </param>
    /// <param name="modelLabels">
    /// The model's own labels by index, which are kept as they are; placeholders (<c>LABEL_0</c>, <c>LABEL_1</c>…) give
    /// way where the data has names.
    /// </param>
    /// <param name="problem">What is to be learned; null: what the labels look like.</param>
    /// <exception cref="DataException">A record has no label, or the labels are of different kinds.</exception>
    public static LabelVocabulary Find(
        IEnumerable<DataRecord> records, IReadOnlyList<string>? modelLabels = null, ProblemType? problem = null)
    {
        var survey = records is RecordStore { Survey: { } known } ? known : Survey(records);
        var found = problem ?? survey.Problem;
        if (found == ProblemType.Regression) return new LabelVocabulary(found, ["LABEL_0"], false);
        var names = survey.Names();
        var areNamed = survey.HasNames && names.Except(modelLabels ?? []).Any();
        var fromModel = modelLabels is not null && !(areNamed && ArePlaceholders(modelLabels));
        return new LabelVocabulary(found, fromModel ? Distinct(modelLabels!) : names, survey.IsMultiHot);
    }

    private static LabelSurvey Survey(IEnumerable<DataRecord> records)
    {
        var survey = new LabelSurvey();
        foreach (var record in records) survey.Add(record);
        return survey;
    }

    /// <summary>The labels of a model whose data has none, as in prediction.</summary>
    public static LabelVocabulary OfModel(IReadOnlyList<string> modelLabels, ProblemType problem) =>
        new(problem, Distinct(modelLabels), false);

    /// <summary>The index of a label.</summary>
    /// <exception cref="DataException">It is none of the labels.</exception>
    public int IndexOf(LabelValue label, RecordOrigin origin)
    {
        if (_indices.TryGetValue(label.Text, out var index)) return index;
        if (label.Kind == LabelKind.Whole)
        {
            // A number that is no name is an index; where all names are numbers, it is a number the labels lack.
            if (_indices.TryGetValue(LabelValue.TextOf(label.Number), out index)) return index;
            if (!_namesAreNumbers && label.Number >= 0 && label.Number < Count) return (int)label.Number;
        }
        var known = Excerpt.Of(string.Join(", ", Names), 200);
        throw new DataException($"The label '{Excerpt.Of(label.Text)}' is none of the {Count} labels: {known}.",
            origin.ToString(), "Correct the label, or train with data that has it.");
    }

    /// <summary>The number to be learned by regression.</summary>
    /// <exception cref="DataException">The label is no number.</exception>
    public static float NumberOf(LabelValue label, RecordOrigin origin) =>
        label.Kind is LabelKind.Real or LabelKind.Whole && float.IsFinite((float)label.Number)
            ? (float)label.Number
            : throw new DataException($"The label '{Excerpt.Of(label.Text)}' is no number, as regression needs.",
                origin.ToString(), "Correct the label.");

    /// <summary>One number from 0 to 1 for every label: whether the record has it.</summary>
    /// <exception cref="DataException">The label is no list, or one of its entries is none of the labels.</exception>
    public float[] TargetsOf(LabelValue label, RecordOrigin origin)
    {
        var targets = new float[Count];
        // A single label is a list of one.
        var items = label.Kind == LabelKind.List ? label.Items : [label];
        if (!_isMultiHot)
        {
            foreach (var item in items) targets[IndexOf(item, origin)] = 1;
            return targets;
        }
        if (items.Count != Count)
        {
            throw new DataException(
                $"The record has {items.Count} label entries, the model {Count} labels.", origin.ToString(),
                "Give one 0 or 1 per label, or a list of label names.");
        }
        for (var i = 0; i < Count; i++) targets[i] = (float)items[i].Number;
        return targets;
    }

    /// <summary>Whether labels are those of a model that nobody has named (also where there are none).</summary>
    internal static bool ArePlaceholders(IReadOnlyList<string> names) =>
        names.Select((name, i) => name == $"LABEL_{i}").All(isPlaceholder => isPlaceholder);

    private static IReadOnlyList<string> Distinct(IReadOnlyList<string> names) =>
        names.Distinct().Count() == names.Count ? names : throw new ModelFormatException(
            "The model gives two labels the same name.", "id2label in config.json",
            "Give every label a name of its own.");
}
