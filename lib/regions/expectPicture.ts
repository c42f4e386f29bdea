import { Image } from '../data/image.js'
import { expectObject, typeError } from '../validate.js'

/** Checks what superpixels are made of: a picture, and options. */
export function expectPicture(picture: Image, options: object = {}): void {
  if (!(picture instanceof Image))
    throw typeError('picture', 'an image of readImage or Image.fromPixels', picture)
  expectObject('options', options)
}
