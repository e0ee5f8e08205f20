using PeftNative.Data.Reading;

namespace PeftNative.Data.Records;

/// <summary>Looks at all labels of a data set to tell what they are. Not thread-safe.</summary>
internal sealed class LabelSurvey
{
    private readonly Dictionary<string, double> _names = [];
    private (LabelKind Kind, RecordOrigin Origin)? _first;
    private bool _hasRealItems, _repeatsItems, _itemsAreBits = true, _hasNumbersOnly = true, _hasReals;
    private int? _width = 0;

    /// <summary>Adds the labels of a record.</summary>
    public void Add(DataRecord record)
    {
        switch (record)
        {
            case TextRecord { Label: { Kind: LabelKind.List } list }:
                Demand(LabelKind.List, record.Origin);
                AddList(list, record.Origin);
                break;
            case TextRecord { Label: { } label }:
                Demand(label.Kind, record.Origin, label.IsUntyped);
                AddSingle(label);
                break;
            case TaggedRecord { Tags: { } tags }:
                foreach (var tag in tags)
                {
                    Demand(tag.Kind, record.Origin, tag.IsUntyped);
                    AddSingle(tag);
                }
                break;
            default:
                throw new DataException(
                    "The record has no label.", record.Origin.ToString(), "Training needs a label in every record.");
        }
    }

    public bool HasNames => !_hasNumbersOnly;

    /// <summary>Whether lists hold a 0 or 1 for every label rather than the labels that apply.</summary>
    public bool IsMultiHot => _first?.Kind == LabelKind.List && _hasNumbersOnly && _width is > 0
        && (_hasRealItems || (_itemsAreBits && _repeatsItems));

    public ProblemType Problem => _first?.Kind switch
    {
        null => throw new DataException("There are no labels."),
        LabelKind.List => ProblemType.MultiLabel,
        _ => _hasNumbersOnly && _hasReals ? ProblemType.Regression : ProblemType.SingleLabel,
    };

    /// <summary>The labels in their order.</summary>
    public IReadOnlyList<string> Names()
    {
        if (IsMultiHot) return [.. Enumerable.Range(0, _width!.Value).Select(i => $"LABEL_{i}")];
        return _hasNumbersOnly
            ? [.. _names.Values.Distinct().Order().Select(LabelValue.TextOf)]
            : [.. _names.Keys.Order(StringComparer.Ordinal)];
    }

    /// <summary>JSON tells texts from numbers, so a mixture is a mistake there; in csv everything is a text.</summary>
    private void Demand(LabelKind kind, RecordOrigin origin, bool isUntyped = false)
    {
        _first ??= (kind, origin);
        var before = _first.Value;
        if (isUntyped || Group(before.Kind) == Group(kind)) return;
        throw new DataException(
            $"The label is a {Group(kind)}, the one in line {before.Origin.Line} a {Group(before.Kind)}.",
            origin.ToString(),
            "Write all labels the same way.");
    }

    private static string Group(LabelKind kind) => kind switch
    {
        LabelKind.Name => "name",
        LabelKind.List => "list",
        _ => "number",
    };

    private void AddSingle(LabelValue label)
    {
        _names.TryAdd(label.Text, label.Number);
        _hasNumbersOnly &= label.Kind is LabelKind.Whole or LabelKind.Real;
        _hasReals |= label.Kind == LabelKind.Real;
    }

    private void AddList(LabelValue list, RecordOrigin origin)
    {
        foreach (var item in list.Items)
        {
            AddSingle(item);
            _hasRealItems |= item.Kind == LabelKind.Real;
            _itemsAreBits &= item.Number is 0 or 1;
        }
        if (_hasRealItems && list.Items.Any(i => i.Number is < 0 or > 1))
        {
            throw new DataException(
                $"The label {Excerpt.Of(list.Text)} has an entry outside 0 to 1.", origin.ToString(),
                "A list of numbers must say 0 or 1 for every label.");
        }
        _repeatsItems |= list.Items.Select(i => i.Text).Distinct().Count() < list.Items.Count;
        _width = _width is 0 || _width == list.Items.Count ? list.Items.Count : null;
    }
}
