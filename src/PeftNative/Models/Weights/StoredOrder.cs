namespace PeftNative.Models.Weights;

/// <summary>How a parameter lies in a checkpoint file, where that differs from the engine's [out, in] rows.</summary>
public enum StoredLayout
{
    /// <summary>A matrix [rows, columns] as the engine has it.</summary>
    Matrix,

    /// <summary>A vector [columns].</summary>
    Vector,

    /// <summary>A matrix stored [columns, rows]: GPT-2's Conv1D.</summary>
    Transposed,

    /// <summary>A column [rows, 1] that the engine has as one row (IA3 on an output).</summary>
    Column,
}

/// <summary>Turns matrices between the order of files and the engine's.</summary>
internal static class StoredOrder
{
    /// <summary>A file's values in the engine's order; the array itself when nothing changes.</summary>
    internal static float[] FromFile(Parameter parameter, float[] values) => parameter.Layout == StoredLayout.Transposed
        ? Transpose(values, parameter.Columns, parameter.Rows) : values;

    /// <summary>The engine's values in a file's order; the array itself when nothing changes.</summary>
    internal static float[] ToFile(Parameter parameter, float[] values) =>
        ToFile(parameter, values, parameter.Layout);

    /// <summary>The engine's values in the order of a layout; the array itself when nothing changes.</summary>
    internal static float[] ToFile(Parameter parameter, float[] values, StoredLayout layout) =>
        layout == StoredLayout.Transposed ? Transpose(values, parameter.Rows, parameter.Columns) : values;

    private static float[] Transpose(float[] values, int rows, int columns)
    {
        var result = new float[values.Length];
        for (var r = 0; r < rows; r++)
        for (var c = 0; c < columns; c++)
            result[c * rows + r] = values[r * columns + c];
        return result;
    }
}
