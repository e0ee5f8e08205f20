namespace PeftNative.Determinism;

/// <summary>
/// What random numbers are for. Each purpose has its own numbers, so that drawing more of one kind never changes
/// another. The values are part of what makes a run repeatable: never renumber them.
/// </summary>
public enum RandomPurpose : ushort
{
    /// <summary>The order of the examples; the stream is the epoch.</summary>
    ExampleOrder = 1,

    /// <summary>The order of the batches after grouping by length; the stream is the epoch.</summary>
    BatchOrder = 2,

    /// <summary>Which records a validation set split off the training data takes.</summary>
    ValidationSplit = 3,

    /// <summary>Initial values of adapter parameters; the stream is the parameter's index.</summary>
    AdapterInitialization = 4,

    /// <summary>Initial values of a missing head; the stream is the parameter's index.</summary>
    HeadInitialization = 5,

    /// <summary>
    /// Random weights of a whole model (pretraining, benchmarks); the stream is the parameter's index.
    /// </summary>
    ModelInitialization = 6,

    /// <summary>Dropout masks; the stream is made of the step and the layer.</summary>
    Dropout = 7,

    /// <summary>Sampling of generated tokens; the stream is the sequence, the position the token.</summary>
    Sampling = 8,

    /// <summary>Data that the project itself generates (demo, benchmarks).</summary>
    SyntheticData = 9,

    /// <summary>Inputs of tests.</summary>
    Test = 10,

    /// <summary>Which training records a run on some of them takes.</summary>
    TrainingSubset = 11,

    /// <summary>Which records of a file a mixture of several takes; the stream tells the files apart.</summary>
    DataMixture = 12,
}
