"""Records how Pillow resizes a small generated picture, for test/data/resample.test.ts.

Run: python3 test/oracles/pillow_resize.py > test/oracles/pillow_resize.json
The picture is a linear congruential sequence (see pixels below), so the test can build it again.
"""
import base64
import json

import numpy
import PIL
from PIL import Image


def pixels(width, height):
    state, values = 12345, []
    for _ in range(width * height * 3):
        state = (state * 1103515245 + 12345) % 2**31
        values.append(state >> 23)
    return numpy.array(values, dtype=numpy.uint8).reshape(height, width, 3)


filters = {
    'nearest': Image.Resampling.NEAREST,
    'box': Image.Resampling.BOX,
    'bilinear': Image.Resampling.BILINEAR,
    'hamming': Image.Resampling.HAMMING,
    'bicubic': Image.Resampling.BICUBIC,
    'lanczos': Image.Resampling.LANCZOS,
}
cases = []
for source in [(37, 23), (8, 61)]:
    picture = Image.fromarray(pixels(*source))
    for target in [(16, 11), (50, 40), (37, 9), (5, 61)]:
        for name, code in filters.items():
            result = numpy.asarray(picture.resize(target, code))
            cases.append({
                'source': source,
                'target': target,
                'filter': name,
                'rgb': base64.b64encode(result.tobytes()).decode(),
            })
print(json.dumps({'pillow': PIL.__version__, 'cases': cases}, indent=1))
